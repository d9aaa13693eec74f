// Where words or text lie in memory: one pass over physical memory in large blocks, with nothing made per word. Words are looked for at multiples of their own size.
import type { FaultRecord, PhysicalMemory } from 'kdumpling/reader';

export type WordSize = 2 | 4 | 8;

/** What is looked for: words whose bits outside of `mask` are those of one of `values`, or bytes at any place. */
export type SearchPattern =
  | { readonly kind: 'words'; readonly size: WordSize; readonly values: readonly bigint[]; readonly ignore: bigint }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** @returns false to stop */
export type SearchHit = (paddr: number, value: bigint | null) => boolean;

export interface SearchRange {
  readonly start: number;
  readonly end: number;
}

/** What stays of one block for the next, so that nothing that crosses them is lost. */
const BLOCK = 1 << 20;

/** Looks through [start, end) of physical memory in ascending order. */
export function searchPhysical(
  memory: PhysicalMemory,
  pattern: SearchPattern,
  { start, end }: SearchRange,
  hit: SearchHit,
  onFault?: (fault: FaultRecord) => void,
): void {
  const overlap = pattern.kind === 'words' ? pattern.size - 1 : pattern.bytes.length - 1;
  if (overlap < 0) return;
  const window = new Uint8Array(BLOCK + Math.ceil((overlap + 8) / 8) * 8);
  const find =
    pattern.kind === 'words'
      ? wordFinder(window, pattern, memory.littleEndian, hit)
      : byteFinder(window, pattern.bytes, hit);
  // The window holds `kept` bytes from before, which end at `next`; its first byte lies at a multiple of 8 in memory or `lead` bytes behind one.
  let kept = 0;
  let keptAt = 0;
  let next = -1;
  memory.scan(
    start,
    end,
    (paddr, bytes) => {
      if (paddr !== next) kept = 0;
      for (let at = 0; at < bytes.length; ) {
        const first = paddr + at - kept;
        const lead = first % 8;
        const room = BLOCK + overlap - lead - kept;
        const length = Math.min(room, bytes.length - at);
        if (kept > 0) window.copyWithin(lead, keptAt, keptAt + kept);
        window.set(bytes.subarray(at, at + length), lead + kept);
        const total = kept + length;
        if (!find(first - lead, lead, lead + total)) return false;
        kept = Math.min(overlap, total);
        keptAt = lead + total - kept;
        at += length;
      }
      next = paddr + bytes.length;
      return true;
    },
    onFault,
  );
}

/** Looks at window[from, to), whose index 0 is the physical address `base`; false if the search is to end. */
type Find = (base: number, from: number, to: number) => boolean;

function wordFinder(
  window: Uint8Array<ArrayBuffer>,
  { size, values, ignore }: Extract<SearchPattern, { kind: 'words' }>,
  littleEndian: boolean,
  hit: SearchHit,
): Find {
  const width = size === 2 ? 2 : 4;
  const cells = width === 2 ? new Uint16Array(window.buffer) : new Uint32Array(window.buffer, 0, window.length >> 2);
  const step = size / width;
  const mask = asCells(~ignore, size, littleEndian);
  const wanted = values.map(value => asCells(value & ~ignore, size, littleEndian));
  const view = new DataView(window.buffer);
  const wordAt = (at: number): bigint =>
    size === 8
      ? view.getBigUint64(at, littleEndian)
      : BigInt(size === 4 ? view.getUint32(at, littleEndian) : view.getUint16(at, littleEndian));
  return (base, from, to) => {
    const end = Math.floor(to / size) * step;
    for (let i = Math.ceil(from / size) * step; i < end; i += step) {
      const first = (cells[i] & mask[0]) >>> 0;
      for (let j = 0; j < wanted.length; j++) {
        if (first !== wanted[j][0]) continue;
        if (step === 2 && (cells[i + 1] & mask[1]) >>> 0 !== wanted[j][1]) continue;
        if (!hit(base + i * width, wordAt(i * width))) return false;
        break;
      }
    }
    return true;
  };
}

/** A word as the cells that it is in memory, in this machine's own order. */
function asCells(word: bigint, size: WordSize, littleEndian: boolean): readonly number[] {
  const bytes = new DataView(new ArrayBuffer(8));
  if (size === 8) bytes.setBigUint64(0, BigInt.asUintN(64, word), littleEndian);
  else if (size === 4) bytes.setUint32(0, Number(BigInt.asUintN(32, word)), littleEndian);
  else bytes.setUint16(0, Number(BigInt.asUintN(16, word)), littleEndian);
  return size === 2 ? [new Uint16Array(bytes.buffer)[0]] : [...new Uint32Array(bytes.buffer).subarray(0, size / 4)];
}

function byteFinder(window: Uint8Array, wanted: Uint8Array, hit: SearchHit): Find {
  return (base, from, to) => {
    const last = to - wanted.length;
    for (let at = window.indexOf(wanted[0], from); at >= 0 && at <= last; at = window.indexOf(wanted[0], at + 1)) {
      let i = 1;
      while (i < wanted.length && window[at + i] === wanted[i]) i++;
      if (i === wanted.length && !hit(base + at, null)) return false;
    }
    return true;
  };
}
