// A greedy Snappy compressor for pages, by google/snappy's format_description.txt.
import type { PageCompressor } from './codec.js';
import { MatchTable, matchLength, wordAt } from './matches.js';

/** The reach of a copy with a two-byte distance. */
const MOST_DISTANCE = 65535;

export function snappyCompressor(): PageCompressor {
  const table = new MatchTable();
  let scratch = new Uint8Array(0);
  return {
    name: 'snappy',
    compress(input, output) {
      const bound = 32 + input.length + Math.ceil(input.length / 6);
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
  let to = 0;
  let rest = input.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) output[to++] = (rest & 0x7f) | 0x80;
  output[to++] = rest;

  const last = input.length - 4;
  let literals = 0;
  let at = 1;
  while (at <= last) {
    const word = wordAt(input, at);
    const candidate = table.replace(word, at);
    if (candidate >= at || at - candidate > MOST_DISTANCE || wordAt(input, candidate) !== word) {
      // What does not compress is passed over in ever larger steps.
      at += 1 + ((at - literals) >> 5);
      continue;
    }
    to = writeLiterals(output, to, input, literals, at);
    const length = matchLength(input, candidate, at);
    to = writeCopy(output, to, at - candidate, length);
    at += length;
    literals = at;
  }
  return writeLiterals(output, to, input, literals, input.length);
}

function writeLiterals(output: Uint8Array, at: number, input: Uint8Array, from: number, end: number): number {
  const count = end - from;
  if (count === 0) return at;
  let to = at;
  if (count <= 60) {
    output[to++] = (count - 1) << 2;
  } else {
    const tag = to++;
    for (let rest = count - 1; rest > 0; rest = Math.floor(rest / 256)) output[to++] = rest & 0xff;
    output[tag] = (59 + to - tag - 1) << 2;
  }
  for (let i = from; i < end; i++) output[to++] = input[i];
  return to;
}

function writeCopy(output: Uint8Array, at: number, distance: number, length: number): number {
  let to = at;
  let rest = length;
  // No copy is longer than 64 bytes; at least four are kept for the last one, so that it may take the short form.
  while (rest > 64) {
    const count = rest >= 68 ? 64 : 60;
    output[to++] = ((count - 1) << 2) | 2;
    output[to++] = distance & 0xff;
    output[to++] = distance >> 8;
    rest -= count;
  }
  if (rest < 12 && distance < 2048) {
    output[to++] = ((distance >> 8) << 5) | ((rest - 4) << 2) | 1;
    output[to++] = distance & 0xff;
  } else {
    output[to++] = ((rest - 1) << 2) | 2;
    output[to++] = distance & 0xff;
    output[to++] = distance >> 8;
  }
  return to;
}
