// LZO1X streams, by the kernel's Documentation/staging/lzo.rst (bitstream version 0, which is what liblzo2 writes).
import { inside } from './codec.js';
import { copyLiterals, copyMatch } from './copies.js';

/** As PageCodec.decompress. The end marker must be the input's end. */
export function lzoDecompress(
  input: Uint8Array,
  at: number,
  length: number,
  output: Uint8Array,
  outputAt: number,
  outputLength: number,
): number {
  if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
  const inputEnd = at + length;
  const outputEnd = outputAt + outputLength;
  let from = at;
  let to = outputAt;
  // How many literals came just before the instruction: 0 to 3 as the last match announced them, 4 for a run of its own.
  let state = 0;

  // A first byte above 17 is a run of literals.
  if (length > 0 && input[from] > 17) {
    const count = input[from++] - 17;
    if (count > inputEnd - from || count > outputEnd - to) return -1;
    for (let i = 0; i < count; i++) output[to++] = input[from++];
    state = count < 4 ? count : 4;
  }

  while (from < inputEnd) {
    const instruction = input[from++];
    let count: number;
    let distance: number;
    let low = instruction;
    if (instruction >= 64) {
      if (from >= inputEnd) return -1;
      count = (instruction >> 5) + 1;
      distance = ((instruction >> 2) & 7) + (input[from++] << 3) + 1;
    } else if (instruction >= 16) {
      const mask = instruction >= 32 ? 31 : 7;
      count = instruction & mask;
      if (count === 0) {
        while (from < inputEnd && input[from] === 0) {
          count += 255;
          from++;
        }
        if (from >= inputEnd) return -1;
        count += mask + input[from++];
      }
      count += 2;
      if (inputEnd - from < 2) return -1;
      low = input[from];
      distance = (low >> 2) + (input[from + 1] << 6);
      from += 2;
      if (instruction >= 32) {
        distance += 1;
      } else {
        distance += (instruction & 8) << 11;
        // The end marker: a match of length 3 at distance 16384.
        if (distance === 0) return count === 3 && from === inputEnd ? to - outputAt : -1;
        distance += 16384;
      }
    } else if (state === 0) {
      count = instruction;
      if (count === 0) {
        while (from < inputEnd && input[from] === 0) {
          count += 255;
          from++;
        }
        if (from >= inputEnd) return -1;
        count += 15 + input[from++];
      }
      count += 3;
      if (count > inputEnd - from || count > outputEnd - to) return -1;
      copyLiterals(output, to, input, from, count);
      from += count;
      to += count;
      state = 4;
      continue;
    } else {
      if (from >= inputEnd) return -1;
      distance = (instruction >> 2) + (input[from++] << 2) + 1;
      count = 2;
      if (state === 4) {
        distance += 2048;
        count = 3;
      }
    }

    if (distance > to - outputAt || count > outputEnd - to) return -1;
    copyMatch(output, to, distance, count);
    to += count;

    state = low & 3;
    if (state > inputEnd - from || state > outputEnd - to) return -1;
    for (let i = 0; i < state; i++) output[to++] = input[from++];
  }
  return -1;
}
