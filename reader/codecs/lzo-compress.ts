// A greedy LZO1X compressor for pages, in the manner of LZO1X-1, by the kernel's Documentation/staging/lzo.rst (bitstream version 0).
import type { PageCompressor } from './codec.js';
import { MatchTable, matchLength, wordAt } from './matches.js';

/** The reach of each kind of match. */
const NEAR = 2048;
const MIDDLE = 16384;
const FAR = 49151;

export function lzoCompressor(): PageCompressor {
  const table = new MatchTable();
  let scratch = new Uint8Array(0);
  return {
    name: 'lzo',
    compress(input, output) {
      const bound = input.length + Math.ceil(input.length / 16) + 67;
      if (scratch.length < bound) scratch = new Uint8Array(bound);
      const length = compressInto(scratch, input, table);
      if (length > output.length) return -1;
      output.set(scratch.subarray(0, length));
      return length;
    },
  };
}

function compressInto(output: Uint8Array, input: Uint8Array, table: MatchTable): number {
  table.clear();
  const last = input.length - 4;
  let to = 0;
  let literals = 0;
  let at = 1;
  while (at <= last) {
    const word = wordAt(input, at);
    const candidate = table.replace(word, at);
    if (candidate >= at || at - candidate > FAR || wordAt(input, candidate) !== word) {
      // What does not compress is passed over in ever larger steps.
      at += 1 + ((at - literals) >> 5);
      continue;
    }
    to = writeLiterals(output, to, input, literals, at);
    const length = matchLength(input, candidate, at);
    to = writeMatch(output, to, at - candidate, length);
    at += length;
    literals = at;
  }
  to = writeLiterals(output, to, input, literals, input.length);
  // The end: a far match of distance 16384 and length 3.
  output[to++] = 0x11;
  output[to++] = 0;
  output[to++] = 0;
  return to;
}

function writeLiterals(output: Uint8Array, at: number, input: Uint8Array, from: number, end: number): number {
  const count = end - from;
  if (count === 0) return at;
  let to = at;
  if (to === 0 && count <= 238) {
    output[to++] = 17 + count;
  } else if (count <= 3) {
    // The match before has two bits for so few.
    output[to - 2] |= count;
  } else if (count <= 18) {
    output[to++] = count - 3;
  } else {
    output[to++] = 0;
    to = writeLength(output, to, count - 18);
  }
  for (let i = from; i < end; i++) output[to++] = input[i];
  return to;
}

function writeMatch(output: Uint8Array, at: number, distance: number, length: number): number {
  let to = at;
  if (length <= 8 && distance <= NEAR) {
    const back = distance - 1;
    output[to++] = ((length - 1) << 5) | ((back & 7) << 2);
    output[to++] = back >> 3;
    return to;
  }
  const middle = distance <= MIDDLE;
  const back = middle ? distance - 1 : distance - MIDDLE;
  const kind = middle ? 32 : 16 | ((back >> 11) & 8);
  const short = middle ? 33 : 9;
  if (length <= short) {
    output[to++] = kind | (length - 2);
  } else {
    output[to++] = kind;
    to = writeLength(output, to, length - short);
  }
  output[to++] = (back << 2) & 0xff;
  output[to++] = (back >> 6) & 0xff;
  return to;
}

/** A length past what an instruction holds: a zero byte for every 255, then the rest (1 to 255). */
function writeLength(output: Uint8Array, at: number, length: number): number {
  let to = at;
  let rest = length;
  for (; rest > 255; rest -= 255) output[to++] = 0;
  output[to++] = rest;
  return to;
}
