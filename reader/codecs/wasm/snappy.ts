// AssemblyScript. The twin of ../snappy.ts, statement by statement: what one does the other does.
import { copyLiterals, copyMatch } from './copies';

export function snappyDecompress(input: usize, length: usize, output: usize, outputLength: usize): i32 {
  const inputEnd = input + length;
  let from = input;

  let total: u64 = 0;
  for (let shift: u64 = 0; ; shift += 7) {
    if (from >= inputEnd || shift > 28) return -1;
    const byte = load<u8>(from++);
    total += (<u64>byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (total > <u64>outputLength) return -1;

  const outputEnd = output + <usize>total;
  let to = output;
  while (from < inputEnd) {
    const tag: u32 = load<u8>(from++);
    let count: usize = tag >> 2;
    let distance: usize;
    switch (tag & 3) {
      case 0: {
        if (count >= 60) {
          const bytes: usize = count - 59;
          if (bytes > inputEnd - from) return -1;
          // The slack makes four bytes readable. 2^32 - 1 would become a count of 0 below: it never fits.
          count = load<u32>(from) & (u32.MAX_VALUE >> (32 - 8 * <u32>bytes));
          if (count === u32.MAX_VALUE) return -1;
          from += bytes;
        }
        count++;
        if (count > inputEnd - from || count > outputEnd - to) return -1;
        copyLiterals(to, from, count);
        from += count;
        to += count;
        continue;
      }
      case 1: {
        if (from >= inputEnd) return -1;
        distance = ((tag & 0xe0) << 3) | <u32>load<u8>(from++);
        count = 4 + (count & 7);
        break;
      }
      case 2: {
        if (inputEnd - from < 2) return -1;
        distance = load<u16>(from);
        from += 2;
        count++;
        break;
      }
      default: {
        if (inputEnd - from < 4) return -1;
        distance = load<u32>(from);
        from += 4;
        count++;
      }
    }
    if (distance === 0 || distance > <usize>(to - output) || count > outputEnd - to) return -1;
    copyMatch(to, distance, count);
    to += count;
  }
  return to === outputEnd ? <i32>total : -1;
}
