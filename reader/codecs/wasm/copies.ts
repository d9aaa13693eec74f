// AssemblyScript. The copies of both decoders: eight bytes at a time, so they may read and write up to 7 bytes past the end, into the slots' slack.

/** From here on the engine's own fill and copy are faster than a loop. */
const LONG: usize = 128;

/** Copies `count` bytes that do not overlap. */
export function copyLiterals(to: usize, from: usize, count: usize): void {
  if (count >= LONG) {
    memory.copy(to, from, count);
    return;
  }
  for (let done: usize = 0; done < count; done += 8) store<u64>(to + done, load<u64>(from + done));
}

/** Copies `count` bytes from `distance` before `to`; where the two overlap the bytes repeat. */
export function copyMatch(to: usize, distance: usize, count: usize): void {
  if (distance >= 8) {
    const from = to - distance;
    for (let done: usize = 0; done < count; done += 8) store<u64>(to + done, load<u64>(from + done));
  } else if (distance === 1) {
    const byte = load<u8>(to - 1);
    if (count >= LONG) {
      memory.fill(to, byte, count);
      return;
    }
    const pattern: u64 = <u64>byte * (u64.MAX_VALUE / 255);
    for (let done: usize = 0; done < count; done += 8) store<u64>(to + done, pattern);
  } else {
    for (let done: usize = 0; done < count; done++) store<u8>(to + done, load<u8>(to + done - distance));
  }
}
