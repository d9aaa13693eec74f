// Bytes to compress: what memory is made of, and damage to what came of it. All of it follows from a seed.
import fc from 'fast-check';

/** Numbers below `limit`, by mulberry32. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return limit => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % limit;
  };
}

type Piece = { bytes: Uint8Array } | { byte: number; count: number } | { back: number; count: number };

/** Puts pieces one after the other: bytes, runs of one byte, repetitions from further back. */
function join(pieces: readonly Piece[]): Uint8Array {
  const into: number[] = [];
  for (const piece of pieces) {
    if ('bytes' in piece) into.push(...piece.bytes);
    else if ('byte' in piece) for (let i = 0; i < piece.count; i++) into.push(piece.byte);
    else for (let i = 0; i < piece.count; i++) into.push(into[Math.max(0, into.length - piece.back)] ?? 0);
  }
  return Uint8Array.from(into);
}

/** Anything from nothing to some 30,000 bytes. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.record({ bytes: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ byte: fc.nat(255), count: fc.nat(700) }),
      fc.record({ back: fc.integer({ min: 1, max: 60_000 }), count: fc.nat(3000) }),
      fc.record({ back: fc.integer({ min: 1, max: 20 }), count: fc.nat(300) }),
    ),
    { maxLength: 20 },
  )
  .map(join);

/** A page of `size` bytes, some of it compressible. */
export function madePage(random: (limit: number) => number, size: number): Uint8Array {
  const page = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const count = Math.min(1 + random(random(4) === 0 ? 400 : 24), size - at);
    const kind = random(4);
    if (kind === 0 || at === 0) for (let i = 0; i < count; i++) page[at + i] = random(256);
    else if (kind === 1) page.fill(random(2) === 0 ? 0 : random(256), at, at + count);
    else {
      const back = 1 + random(kind === 2 ? Math.min(at, 16) : at);
      for (let i = 0; i < count; i++) page[at + i] = page[at + i - back];
    }
    at += count;
  }
  return page;
}

/** Damage: bits turned over, bytes replaced, cut short, lengthened, a stretch doubled or left out, or nothing but noise. */
export function damaged(random: (limit: number) => number, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = random(copy.length);
  switch (random(7)) {
    case 0:
      copy[at] ^= 1 << random(8);
      return copy;
    case 1:
      for (let i = random(8); i >= 0; i--) copy[random(copy.length)] = random(256);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return Uint8Array.of(...copy, ...Array.from({ length: 1 + random(20) }, () => random(256)));
    case 4:
      return Uint8Array.of(...copy.subarray(0, at), ...copy.subarray(random(copy.length)));
    case 5:
      copy[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)];
      return copy;
    default:
      return Uint8Array.from({ length: random(80) }, () => random(256));
  }
}
