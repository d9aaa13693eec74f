// Opens raw memory images: files of nothing but memory, each with the physical address of its first byte. Where they overlap the one named first counts.
import { Extents } from '../extents.js';
import { InputError } from '../fault.js';
import type { DumpInput, DumpProbe, OpenedContainer } from './container.js';
import { fileCache } from './elf.js';
import { ExtentMemory } from './extent-memory.js';
import { JoinedSource } from './joined-source.js';

const MEMORY_END = 2 ** 52;

export const rawProbe: DumpProbe = {
  name: 'raw',
  probe(input) {
    const { raw } = input;
    return raw === null ? 'no physical address was given' : async () => openRaw(input, raw);
  },
};

function openRaw(input: DumpInput, raw: readonly number[]): OpenedContainer {
  const { sources } = input;
  const joined = new JoinedSource(sources);
  const ranges = sources.map((source, i) => {
    const start = raw[i];
    if (!Number.isSafeInteger(start) || start < 0 || start + source.size > MEMORY_END) {
      throw new InputError(
        { source: source.name, record: 'raw image', offset: 0, field: 'physical address', value: start },
        `its ${source.size} bytes cannot lie there`,
      );
    }
    if (source.size === 0) input.issues.add('empty-image', `${source.name} is empty`);
    return { start, end: start + source.size, value: joined.bases[i] };
  });
  const physical = new ExtentMemory({
    source: joined,
    extents: Extents.from(ranges),
    cache: fileCache(joined, input.cacheBytes),
  });
  return {
    container: {
      format: 'raw',
      flattened: false,
      compression: [],
      littleEndian: true,
      bits: 64,
      files: sources.length,
    },
    physical,
    file: null,
    missing: 'not-present',
    machine: null,
    utsname: null,
    segments: [],
    notes: [],
    vmcoreinfo: null,
    eraseinfo: null,
    facts: raw.map((paddr, i) => [`raw.${i}.paddr`, paddr, 'user'] as const),
  };
}
