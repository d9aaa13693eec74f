// 64-bit values without bigint arithmetic: one scratch array splits and joins them (a page walk costs 76 ns so, 346 ns with naive
// bigint arithmetic).

const scratch64 = new BigUint64Array(1);
const scratch32 = new Uint32Array(scratch64.buffer);

/** Where the halves of the value last given to `splitU64` stand in `halves`. Variables of a module that hold them would be made anew for each value. */
export const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
export const HIGH = 1 - LOW;

/** The halves of the value last given to `splitU64`: to be taken before anything else is called. */
export const halves: Readonly<Uint32Array> = scratch32;

export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Splits into `halves`. Values are taken modulo 2^64. */
export function splitU64(value: bigint): void {
  scratch64[0] = value;
}

export function joinU64(highHalf: number, lowHalf: number): bigint {
  scratch32[HIGH] = highHalf;
  scratch32[LOW] = lowHalf;
  return scratch64[0];
}

/** A u64 as a number: exact below 2^53, above it the nearest number (a caller that cares compares with Number.MAX_SAFE_INTEGER). */
export function u64ToNumber(value: bigint): number {
  scratch64[0] = value;
  return scratch32[HIGH] * 0x1_0000_0000 + scratch32[LOW];
}

/** Reads a u64 from a view as a number; exactness as in `u64ToNumber`. */
export function getU64(view: DataView, offset: number, littleEndian: boolean): number {
  const first = view.getUint32(offset, littleEndian);
  const second = view.getUint32(offset + 4, littleEndian);
  return littleEndian ? second * 0x1_0000_0000 + first : first * 0x1_0000_0000 + second;
}

/** Writes a number of 0 to 2^53 as a u64. */
export function setU64(view: DataView, offset: number, value: number, littleEndian: boolean): void {
  const highHalf = Math.floor(value / 0x1_0000_0000);
  view.setUint32(offset + (littleEndian ? 4 : 0), highHalf, littleEndian);
  view.setUint32(offset + (littleEndian ? 0 : 4), value >>> 0, littleEndian);
}

/** value & ~(alignment - 1), for alignments that are powers of two and values past 2^32. */
export function alignDown(value: number, alignment: number): number {
  return value - (value % alignment);
}

export function alignUp(value: number, alignment: number): number {
  const rest = value % alignment;
  return rest === 0 ? value : value + alignment - rest;
}

export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && 2 ** Math.round(Math.log2(value)) === value;
}
