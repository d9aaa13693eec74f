// What is looked for in memory, and the loops that look for it in a piece of memory. Nothing is made for a word that is no hit.

export type WordSize = 1 | 2 | 4 | 8;

/** Words whose bits outside of `ignore` are those of one of `values`, or bytes; found where the address is a multiple of `align` (any number). */
export type SearchPattern =
  | {
      readonly kind: 'words';
      readonly size: WordSize;
      readonly values: readonly bigint[];
      readonly ignore: bigint;
      readonly align: number;
    }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly align: number };

/** @param value what is there; null for bytes. @returns false to stop */
export type Hit = (position: number, value: bigint | null) => boolean;

/** Looks at window[from, to), whose index 0 is the position `base`, a multiple of 8; false if the search is to end. */
export type Find = (base: number, from: number, to: number) => boolean;

export const patternLength = (pattern: SearchPattern): number =>
  pattern.kind === 'words' ? pattern.size : pattern.bytes.length;

/** The loop for a pattern. The window's length is a multiple of 8. */
export function finder(window: Uint8Array<ArrayBuffer>, pattern: SearchPattern, littleEndian: boolean, hit: Hit): Find {
  if (pattern.kind === 'bytes') return byteFinder(window, pattern.bytes, pattern.align, hit);
  const { size, align } = pattern;
  return size > 1 && align % size === 0
    ? cellFinder(window, pattern, littleEndian, hit)
    : looseFinder(window, pattern, littleEndian, hit);
}

type Words = Extract<SearchPattern, { kind: 'words' }>;

function wordReader(window: Uint8Array<ArrayBuffer>, size: WordSize, littleEndian: boolean): (at: number) => bigint {
  const view = new DataView(window.buffer);
  switch (size) {
    case 8:
      return at => view.getBigUint64(at, littleEndian);
    case 4:
      return at => BigInt(view.getUint32(at, littleEndian));
    case 2:
      return at => BigInt(view.getUint16(at, littleEndian));
    default:
      return at => BigInt(view.getUint8(at));
  }
}

/** The first index from `from` on whose position is a multiple of `align`. */
const aligned = (base: number, from: number, align: number): number =>
  from + ((align - ((base + from) % align)) % align);

/** Words at multiples of their size, as cells of 2 or 4 bytes in this machine's order. */
function cellFinder(
  window: Uint8Array<ArrayBuffer>,
  { size, values, ignore, align }: Words,
  littleEndian: boolean,
  hit: Hit,
): Find {
  const width = size === 2 ? 2 : 4;
  const cells = width === 2 ? new Uint16Array(window.buffer) : new Uint32Array(window.buffer);
  const [mask, maskNext = 0] = asCells(~ignore, size, littleEndian);
  const wanted = values.map(value => asCells(value & ~ignore, size, littleEndian));
  const firsts = Uint32Array.from(wanted, ([first]) => first);
  const nexts = Uint32Array.from(wanted, ([, next = 0]) => next);
  const step = align / width;
  const two = size === 8;
  const wordAt = wordReader(window, size, littleEndian);
  return (base, from, to) => {
    const end = Math.floor((to - size) / width);
    for (let i = aligned(base, from, align) / width; i <= end; i += step) {
      const first = (cells[i] & mask) >>> 0;
      for (let j = 0; j < firsts.length; j++) {
        if (first !== firsts[j] || (two && (cells[i + 1] & maskNext) >>> 0 !== nexts[j])) continue;
        if (!hit(base + i * width, wordAt(i * width))) return false;
        break;
      }
    }
    return true;
  };
}

/** A word as the cells that it is in memory, in this machine's own order. */
function asCells(word: bigint, size: WordSize, littleEndian: boolean): readonly number[] {
  const bytes = asBytes(word, size, littleEndian);
  return size === 2 ? [...new Uint16Array(bytes.buffer)] : [...new Uint32Array(bytes.buffer)];
}

function asBytes(word: bigint, size: WordSize, littleEndian: boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++)
    bytes[littleEndian ? i : size - 1 - i] = Number(BigInt.asUintN(8, word >> BigInt(8 * i)));
  return bytes;
}

/** Words at any place, a byte at a time. */
function looseFinder(
  window: Uint8Array<ArrayBuffer>,
  { size, values, ignore, align }: Words,
  littleEndian: boolean,
  hit: Hit,
): Find {
  const mask = asBytes(~ignore, size, littleEndian);
  const wanted = values.map(value => asBytes(value & ~ignore, size, littleEndian));
  const wordAt = wordReader(window, size, littleEndian);
  const same = (at: number, word: Uint8Array): boolean => {
    for (let i = 0; i < size; i++) if ((window[at + i] & mask[i]) !== word[i]) return false;
    return true;
  };
  return (base, from, to) => {
    for (let at = aligned(base, from, align); at <= to - size; at += align) {
      for (const word of wanted) {
        if (!same(at, word)) continue;
        if (!hit(base + at, wordAt(at))) return false;
        break;
      }
    }
    return true;
  };
}

function byteFinder(window: Uint8Array, wanted: Uint8Array, align: number, hit: Hit): Find {
  const [first] = wanted;
  return (base, from, to) => {
    const last = to - wanted.length;
    for (let at = window.indexOf(first, from); at >= 0 && at <= last; at = window.indexOf(first, at + 1)) {
      let i = 1;
      while (i < wanted.length && window[at + i] === wanted[i]) i++;
      if (i === wanted.length && (base + at) % align === 0 && !hit(base + at, null)) return false;
    }
    return true;
  };
}
