// Snappy blocks, by google/snappy's format_description.txt: a length, then literals and copies.
import { inside } from './codec.js';
import { copyLiterals, copyMatch } from './copies.js';

/** As PageCodec.decompress. */
export function snappyDecompress(
  input: Uint8Array,
  at: number,
  length: number,
  output: Uint8Array,
  outputAt: number,
  outputLength: number,
): number {
  if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
  const inputEnd = at + length;
  let from = at;

  // The preamble: how long the result is, seven bits to a byte.
  let total = 0;
  for (let shift = 0; ; shift += 7) {
    if (from >= inputEnd || shift > 28) return -1;
    const byte = input[from++];
    total += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (total > outputLength) return -1;

  const outputEnd = outputAt + total;
  let to = outputAt;
  while (from < inputEnd) {
    const tag = input[from++];
    let count = tag >> 2;
    let distance: number;
    switch (tag & 3) {
      case 0: {
        if (count >= 60) {
          const bytes = count - 59;
          if (bytes > inputEnd - from) return -1;
          count = 0;
          for (let i = 0; i < bytes; i++) count += input[from++] * 2 ** (8 * i);
        }
        count++;
        if (count > inputEnd - from || count > outputEnd - to) return -1;
        copyLiterals(output, to, input, from, count);
        from += count;
        to += count;
        continue;
      }
      case 1:
        if (from >= inputEnd) return -1;
        distance = ((tag & 0xe0) << 3) | input[from++];
        count = 4 + (count & 7);
        break;
      case 2:
        if (inputEnd - from < 2) return -1;
        distance = input[from] | (input[from + 1] << 8);
        from += 2;
        count++;
        break;
      default:
        if (inputEnd - from < 4) return -1;
        distance = (input[from] | (input[from + 1] << 8) | (input[from + 2] << 16) | (input[from + 3] << 24)) >>> 0;
        from += 4;
        count++;
    }
    if (distance === 0 || distance > to - outputAt || count > outputEnd - to) return -1;
    copyMatch(output, to, distance, count);
    to += count;
  }
  return to === outputEnd ? total : -1;
}
