// The kinds of dumps that there are, each with the look that tells it. What reads the larger formats is imported when there is one of them: a command starts sooner without.

import { isDiskdump } from '../formats/diskdump.js';
import { isRawdump } from '../formats/rawdump.js';
import type { ByteSource } from '../source.js';
import type { DumpProbe } from './container.js';
import { elfProbe } from './elf.js';
import { rawProbe } from './raw.js';
import { refusedProbe } from './refused.js';

const kdumpProbe: DumpProbe = {
  name: 'kdump',
  probe(input) {
    if (input.isFolder || input.raw !== null) return 'it is not a file of its own';
    if (!isDiskdump(input.head)) return 'it does not begin with "KDUMP   "';
    return async () => (await import('./kdump.js')).openKdump(input);
  },
};

const minidumpFolderProbe: DumpProbe = {
  name: 'minidump folder',
  probe(input) {
    if (!input.isFolder) return 'it is not a folder';
    if (!input.sources.some(isOfMinidump)) return 'the folder has neither md_*.BIN files nor a dump_info.txt';
    return async () => (await import('./minidump/open.js')).openMinidump(input);
  },
};

/** Blobs by firmware's names, or a list of them. */
const isOfMinidump = ({ name }: ByteSource): boolean => /^dump_info\.txt$/i.test(name) || /^md_.*\.bin$/i.test(name);

const rawdumpProbe: DumpProbe = {
  name: 'rawdump partition image',
  probe(input) {
    if (input.isFolder || input.raw !== null) return 'it is not a file of its own';
    if (!isRawdump(input.head)) return 'it does not begin with "Raw_Dmp!"';
    return async () => (await import('./minidump/open.js')).openMinidump(input);
  },
};

/** In order; the first that does not refuse opens. */
export const PROBES: readonly DumpProbe[] = [
  rawProbe,
  minidumpFolderProbe,
  kdumpProbe,
  elfProbe,
  rawdumpProbe,
  refusedProbe,
];
