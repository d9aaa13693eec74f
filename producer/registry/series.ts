// The facts in which the posted series differ: ID space, limits, what happens to a taken ID, which virtual address is kept, who is told.
// Sources: drivers/debug/kmemdump.c (RFC v1, v2), mm/kmemdump/kmemdump.c (RFC v3), kernel/meminspect/meminspect.c (v1 to v3), the Qualcomm driver of each.
import {
  KMEMDUMP_DRIVER_NAMES,
  KMEMDUMP_RFC2_IDS,
  KMEMDUMP_RFC3_IDS,
  MEMINSPECT_V1_DRIVER_NAMES,
  MEMINSPECT_V1_IDS,
  MEMINSPECT_V3_DRIVER_NAMES,
  MEMINSPECT_V3_IDS,
} from 'kdumpling/reader/formats/region-ids';

export const SERIES_NAMES = [
  'kmemdump-rfc1',
  'kmemdump-rfc2',
  'kmemdump-rfc3',
  'meminspect-v1',
  'meminspect-v2',
  'meminspect-v3',
] as const;

export type SeriesName = (typeof SERIES_NAMES)[number];

export interface SeriesFacts {
  readonly series: SeriesName;
  /** IDs are 0 … slots - 1. */
  readonly slots: number;
  /** ID -> name; [] where IDs are given out (RFC v1). */
  readonly names: readonly string[];
  /** The first ID that a registration without one can get. */
  readonly firstDynamic: number;
  /** How an ID is found: the next after the last given (idr_alloc_cyclic), or the lowest that is free. */
  readonly dynamic: 'cyclic' | 'lowest';
  /** A registration with a taken ID: refused with EALREADY, or the old one is unregistered first. */
  readonly taken: 'refused' | 'replaced';
  /** Which virtual address a run-time registration keeps: the caller's pointer, or phys_to_virt of the physical address. */
  readonly vaddr: 'caller' | 'linear';
  /** Registration returns nothing, and what does not fit is dropped. */
  readonly silent: boolean;
  /** Compile-time annotations: none, registered like others at late_initcall (so a taken ID wins), or copied over what is there. */
  readonly annotations: 'none' | 'registered' | 'copied';
  /** An annotation's entry gets its physical address; where not, it stays 0: it cannot be found by address, nor its program header. */
  readonly annotationPaddr: boolean;
  /** RFC v1: one, and nothing is dumped without; RFC v2, v3: default until another one comes; meminspect: any number of notifiers. */
  readonly backends: 'one' | 'default-and-one' | 'notifiers';
  /** What the series' Qualcomm driver calls each ID; names behind the end are `unknown`. */
  readonly driverNames: readonly string[];
}

/** The header's and VMCOREINFO's IDs where IDs are fixed. RFC v1 gives both to the back-end as 0, outside the ID space. */
export const ID_ELF = 1;
export const ID_VMCOREINFO = 2;

/** Bytes of a handle in RFC v1, the NUL not counted. */
export const RFC1_HANDLE_LENGTH = 7;

/** Slots since RFC v2: the size of firmware's table. */
const SLOTS = 201;

const KMEMDUMP = {
  slots: SLOTS,
  dynamic: 'lowest',
  taken: 'refused',
  vaddr: 'caller',
  silent: false,
  annotationPaddr: true,
  backends: 'default-and-one',
  driverNames: KMEMDUMP_DRIVER_NAMES,
} as const;

const MEMINSPECT = {
  slots: SLOTS,
  dynamic: 'lowest',
  taken: 'replaced',
  vaddr: 'linear',
  silent: true,
  annotations: 'copied',
  backends: 'notifiers',
} as const;

const MEMINSPECT_FIRST = {
  ...MEMINSPECT,
  annotationPaddr: false,
  names: MEMINSPECT_V1_IDS,
  firstDynamic: MEMINSPECT_V1_IDS.length,
  driverNames: MEMINSPECT_V1_DRIVER_NAMES,
} as const;

/** IDs between the last named one and the dynamic ones: USER_START and USER_END. */
const USER_IDS = 2;

export const SERIES: Readonly<Record<SeriesName, SeriesFacts>> = {
  'kmemdump-rfc1': {
    series: 'kmemdump-rfc1',
    slots: 512,
    names: [],
    firstDynamic: 0,
    dynamic: 'cyclic',
    taken: 'refused',
    vaddr: 'caller',
    silent: false,
    annotations: 'none',
    annotationPaddr: true,
    backends: 'one',
    driverNames: [],
  },
  'kmemdump-rfc2': {
    ...KMEMDUMP,
    series: 'kmemdump-rfc2',
    names: KMEMDUMP_RFC2_IDS,
    firstDynamic: KMEMDUMP_RFC2_IDS.length + USER_IDS,
    annotations: 'registered',
  },
  'kmemdump-rfc3': {
    ...KMEMDUMP,
    series: 'kmemdump-rfc3',
    names: KMEMDUMP_RFC3_IDS,
    firstDynamic: KMEMDUMP_RFC3_IDS.length + USER_IDS,
    annotations: 'none',
  },
  'meminspect-v1': { ...MEMINSPECT_FIRST, series: 'meminspect-v1' },
  'meminspect-v2': { ...MEMINSPECT_FIRST, series: 'meminspect-v2' },
  'meminspect-v3': {
    ...MEMINSPECT,
    annotationPaddr: true,
    series: 'meminspect-v3',
    names: MEMINSPECT_V3_IDS,
    firstDynamic: MEMINSPECT_V3_IDS.length,
    driverNames: MEMINSPECT_V3_DRIVER_NAMES,
  },
};

export const isSeriesName = (name: string): name is SeriesName => SERIES_NAMES.some(series => series === name);

/** A region's entry in the minidump table as the series' own driver makes it (`handle` counts in RFC v1 only). */
export function minidumpName(facts: SeriesFacts, id: number, handle: string): { name: string; sequence: number } {
  if (facts.backends === 'one') return { name: `K${id}${handle.slice(0, 8)}`, sequence: 0 };
  return { name: `K${(facts.driverNames[id] ?? 'unknown').slice(0, 8)}`, sequence: id };
}
