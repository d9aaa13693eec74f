// The copies of the two byte-oriented decoders.

/** From here on the engine's own copy is faster than a loop. */
const LONG = 32;

/** Copies `count` bytes of `input` from `from` on. */
export function copyLiterals(output: Uint8Array, to: number, input: Uint8Array, from: number, count: number): void {
  if (count >= LONG) output.set(input.subarray(from, from + count), to);
  else for (let i = 0; i < count; i++) output[to + i] = input[from + i];
}

/** Copies `count` bytes from `distance` before `to`; where the two overlap the bytes repeat. */
export function copyMatch(output: Uint8Array, to: number, distance: number, count: number): void {
  if (count < LONG) for (let i = 0; i < count; i++) output[to + i] = output[to + i - distance];
  else if (distance === 1) output.fill(output[to - 1], to, to + count);
  else if (distance >= count) output.copyWithin(to, to - distance, to - distance + count);
  else for (let i = 0; i < count; i++) output[to + i] = output[to + i - distance];
}
