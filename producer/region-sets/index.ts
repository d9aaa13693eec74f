import type { SeriesName } from '../registry/index.js';
import type { RegionSet } from './entry.js';
import { KMEMDUMP_RFC2, KMEMDUMP_RFC3 } from './kmemdump.js';
import { KMEMDUMP_RFC1 } from './kmemdump-rfc1.js';
import { MEMINSPECT_V1, MEMINSPECT_V2, MEMINSPECT_V3 } from './meminspect.js';

export type { Entry, EntrySize, RegionSet } from './entry.js';

export const REGION_SETS: Readonly<Record<SeriesName, RegionSet>> = {
  'kmemdump-rfc1': KMEMDUMP_RFC1,
  'kmemdump-rfc2': KMEMDUMP_RFC2,
  'kmemdump-rfc3': KMEMDUMP_RFC3,
  'meminspect-v1': MEMINSPECT_V1,
  'meminspect-v2': MEMINSPECT_V2,
  'meminspect-v3': MEMINSPECT_V3,
};
