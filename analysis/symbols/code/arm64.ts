// Addresses in arm64 code: ADRP or ADR, then ADD (immediate), LDR, STR, LDP or STP. Source: Arm Architecture Reference Manual for A-profile (DDI 0487), C4.1 and C6.2.
import type { CodeReference } from './references.js';

/** Instructions are little-endian whatever the data are. */
const LITTLE = true;
const UNKNOWN = -1n;

export function* arm64References(code: Uint8Array, address: bigint): Iterable<CodeReference> {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const registers = Array.from({ length: 32 }, () => UNKNOWN);
  for (let at = 0; at + 4 <= code.length; at += 4) {
    const word = view.getUint32(at, LITTLE);
    const target = word & 31;
    const base = registers[(word >>> 5) & 31];
    if ((word & 0x1f00_0000) >>> 0 === 0x1000_0000) {
      const here = address + BigInt(at);
      const distance = BigInt(signed((((word >>> 5) & 0x7_ffff) << 2) | ((word >>> 29) & 3), 21));
      const page = word >>> 31 === 1;
      registers[target] = wrap(page ? (here & ~0xfffn) + (distance << 12n) : here + distance);
      if (!page) yield { address: registers[target], size: 0 };
    } else if ((word & 0xff80_0000) >>> 0 === 0x9100_0000) {
      // ADD Xd, Xn, #imm: register 31 is the stack pointer here.
      const shift = (word & 0x40_0000) !== 0 ? 12n : 0n;
      registers[target] = base === UNKNOWN ? UNKNOWN : wrap(base + (BigInt((word >>> 10) & 0xfff) << shift));
      if (target !== 31 && registers[target] !== UNKNOWN) yield { address: registers[target], size: 0 };
    } else if ((word & 0x3f00_0000) >>> 0 === 0x3900_0000 || (word & 0x3f00_0000) >>> 0 === 0x3d00_0000) {
      // LDR, STR and their kin with an unsigned offset, scaled by the size; 0x3d: of vector registers.
      const vector = (word & 0x0400_0000) !== 0;
      const scale = (word >>> 30) | (vector && (word & 0x80_0000) !== 0 ? 4 : 0);
      const size = 1 << Math.min(scale, 4);
      if (base !== UNKNOWN) yield { address: wrap(base + BigInt(((word >>> 10) & 0xfff) * size)), size };
      // What was loaded is not known.
      if (!vector && (word & 0x00c0_0000) !== 0) registers[target] = UNKNOWN;
    } else if ((word & 0x3a00_0000) >>> 0 === 0x2800_0000) {
      // LDP, STP: two words, at a signed offset.
      const size = word >>> 31 === 1 ? 8 : 4;
      const offset = signed((word >>> 15) & 0x7f, 7) * size;
      const indexed = (word & 0x0080_0000) !== 0 && (word & 0x0100_0000) === 0;
      if (base !== UNKNOWN) yield { address: wrap(base + BigInt(indexed ? 0 : offset)), size };
      if ((word & 0x0040_0000) !== 0) {
        registers[target] = UNKNOWN;
        registers[(word >>> 10) & 31] = UNKNOWN;
      }
    } else if ((word & 0xffe0_ffe0) >>> 0 === 0xaa00_03e0) {
      // MOV Xd, Xm.
      registers[target] = registers[(word >>> 16) & 31];
    }
  }
}

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
const wrap = (address: bigint): bigint => BigInt.asUintN(64, address);
