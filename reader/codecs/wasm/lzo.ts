// AssemblyScript. The twin of ../lzo.ts, statement by statement: what one does the other does.
import { copyLiterals, copyMatch } from './copies';

export function lzoDecompress(input: usize, length: usize, output: usize, outputLength: usize): i32 {
  const inputEnd = input + length;
  const outputEnd = output + outputLength;
  let from = input;
  let to = output;
  let state: usize = 0;

  if (length > 0 && load<u8>(from) > 17) {
    const count: usize = load<u8>(from++) - 17;
    if (count > inputEnd - from || count > outputEnd - to) return -1;
    copyLiterals(to, from, count);
    from += count;
    to += count;
    state = count < 4 ? count : 4;
  }

  while (from < inputEnd) {
    const instruction: u32 = load<u8>(from++);
    let count: usize;
    let distance: usize;
    let low = instruction;
    if (instruction >= 64) {
      if (from >= inputEnd) return -1;
      count = (instruction >> 5) + 1;
      distance = ((instruction >> 2) & 7) + ((<u32>load<u8>(from++)) << 3) + 1;
    } else if (instruction >= 16) {
      const mask: u32 = instruction >= 32 ? 31 : 7;
      count = instruction & mask;
      if (count === 0) {
        while (from < inputEnd && load<u8>(from) === 0) {
          count += 255;
          from++;
        }
        if (from >= inputEnd) return -1;
        count += mask + <u32>load<u8>(from++);
      }
      count += 2;
      if (inputEnd - from < 2) return -1;
      low = load<u8>(from);
      distance = <u32>load<u16>(from) >> 2;
      from += 2;
      if (instruction >= 32) {
        distance += 1;
      } else {
        distance += (instruction & 8) << 11;
        if (distance === 0) return count === 3 && from === inputEnd ? <i32>(to - output) : -1;
        distance += 16384;
      }
    } else if (state === 0) {
      count = instruction;
      if (count === 0) {
        while (from < inputEnd && load<u8>(from) === 0) {
          count += 255;
          from++;
        }
        if (from >= inputEnd) return -1;
        count += 15 + <u32>load<u8>(from++);
      }
      count += 3;
      if (count > inputEnd - from || count > outputEnd - to) return -1;
      copyLiterals(to, from, count);
      from += count;
      to += count;
      state = 4;
      continue;
    } else {
      if (from >= inputEnd) return -1;
      distance = (instruction >> 2) + ((<u32>load<u8>(from++)) << 2) + 1;
      count = 2;
      if (state === 4) {
        distance += 2048;
        count = 3;
      }
    }

    if (distance > to - output || count > outputEnd - to) return -1;
    copyMatch(to, distance, count);
    to += count;

    state = low & 3;
    if (state > inputEnd - from || state > outputEnd - to) return -1;
    store<u32>(to, load<u32>(from));
    from += state;
    to += state;
  }
  return -1;
}
