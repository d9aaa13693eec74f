// Relocations as they occur in debug sections of modules: what each does to its bytes. Sources: the processor supplements of the System V ABI for x86-64, i386, AArch64, Arm, PowerPC64,
// z/Architecture, RISC-V and LoongArch; elf.h of glibc for the numbers.
import { Cursor, type CursorPlace } from '../cursor.js';

/**
 * `set`: symbol + addend; `pc`: the same less the place; `add` and `sub`: to and from what is there. With 6: the lower six bits only; with `Uleb`: a ULEB128, whose length stays. `none`:
 * nothing that counts here.
 */
export type RelocationKind =
  | 'set'
  | 'pc'
  | 'add'
  | 'sub'
  | 'set6'
  | 'add6'
  | 'sub6'
  | 'setUleb'
  | 'addUleb'
  | 'subUleb'
  | 'none';

export interface RelocationType {
  readonly kind: RelocationKind;
  /** Bytes; 0 for `none`. */
  readonly width: 0 | 1 | 2 | 4 | 8;
}

type Row = readonly [number: number, kind: RelocationKind, width: RelocationType['width']];

/** Number 0 is of all machines the relocation that does nothing. */
const table = (...rows: Row[]): ReadonlyMap<number, RelocationType> =>
  new Map([[0, 'none', 0] as Row, ...rows].map(([number, kind, width]) => [number, { kind, width }]));

/** By e_machine. */
export const RELOCATIONS: ReadonlyMap<number, ReadonlyMap<number, RelocationType>> = new Map([
  // EM_386: R_386_32, PC32, TLS_LDO_32
  [3, table([1, 'set', 4], [2, 'pc', 4], [32, 'set', 4])],
  // EM_PPC64: R_PPC64_ADDR32, REL32, ADDR64, REL64, DTPREL64
  [21, table([1, 'set', 4], [26, 'pc', 4], [38, 'set', 8], [44, 'pc', 8], [78, 'set', 8])],
  // EM_S390: R_390_32, PC32, 64, PC64, TLS_LDO32, TLS_LDO64
  [22, table([4, 'set', 4], [5, 'pc', 4], [22, 'set', 8], [23, 'pc', 8], [52, 'set', 4], [53, 'set', 8])],
  // EM_ARM: R_ARM_ABS32, REL32
  [40, table([2, 'set', 4], [3, 'pc', 4])],
  // EM_X86_64: R_X86_64_64, PC32, 32, 32S, DTPOFF64, DTPOFF32, PC64
  [
    62,
    table([1, 'set', 8], [2, 'pc', 4], [10, 'set', 4], [11, 'set', 4], [17, 'set', 8], [21, 'set', 4], [24, 'pc', 8]),
  ],
  // EM_AARCH64: R_AARCH64_ABS64, ABS32, ABS16, PREL64, PREL32
  [183, table([257, 'set', 8], [258, 'set', 4], [259, 'set', 2], [260, 'pc', 8], [261, 'pc', 4])],
  // EM_RISCV: R_RISCV_32, 64, TLS_DTPREL32, TLS_DTPREL64, ADD8 to SUB64, RELAX, SUB6, SET6 to SET32, 32_PCREL, SET_ULEB128, SUB_ULEB128
  [
    243,
    table(
      [1, 'set', 4],
      [2, 'set', 8],
      [8, 'set', 4],
      [9, 'set', 8],
      [33, 'add', 1],
      [34, 'add', 2],
      [35, 'add', 4],
      [36, 'add', 8],
      [37, 'sub', 1],
      [38, 'sub', 2],
      [39, 'sub', 4],
      [40, 'sub', 8],
      [51, 'none', 0],
      [52, 'sub6', 1],
      [53, 'set6', 1],
      [54, 'set', 1],
      [55, 'set', 2],
      [56, 'set', 4],
      [57, 'pc', 4],
      [60, 'setUleb', 1],
      [61, 'subUleb', 1],
    ),
  ],
  // EM_LOONGARCH: R_LARCH_32, 64, ADD8 to SUB64 (those of 24 bits left out), 32_PCREL, RELAX, ADD6 to SUB_ULEB128, 64_PCREL
  [
    258,
    table(
      [1, 'set', 4],
      [2, 'set', 8],
      [47, 'add', 1],
      [48, 'add', 2],
      [50, 'add', 4],
      [51, 'add', 8],
      [52, 'sub', 1],
      [53, 'sub', 2],
      [55, 'sub', 4],
      [56, 'sub', 8],
      [99, 'pc', 4],
      [100, 'none', 0],
      [105, 'add6', 1],
      [106, 'sub6', 1],
      [107, 'addUleb', 1],
      [108, 'subUleb', 1],
      [109, 'pc', 8],
    ),
  ],
]);

export interface Relocation {
  /** In the section that it is applied to. */
  readonly offset: number;
  /** In the symbol table that the relocations' section names. */
  readonly symbol: number;
  readonly type: number;
  /** Null where it stands in the section itself (SHT_REL). */
  readonly addend: bigint | null;
}

export const relocationSize = (bits: 32 | 64, withAddend: boolean): number => (bits / 8) * (withAddend ? 3 : 2);

/** One entry of SHT_RELA (with addend) or SHT_REL. */
export function decodeRelocation(
  bytes: Uint8Array,
  littleEndian: boolean,
  bits: 32 | 64,
  withAddend: boolean,
  place: CursorPlace,
): Relocation {
  const cursor = new Cursor(bytes, littleEndian, place);
  const offset = cursor.word(bits, 'r_offset');
  const info = bits === 64 ? cursor.u64('r_info') : BigInt(cursor.u32('r_info'));
  const symbol = Number(info >> (bits === 64 ? 32n : 8n));
  const type = Number(info & (bits === 64 ? 0xffff_ffffn : 0xffn));
  if (!withAddend) return { offset, symbol, type, addend: null };
  return {
    offset,
    symbol,
    type,
    addend: bits === 64 ? BigInt.asIntN(64, cursor.u64('r_addend')) : BigInt(cursor.i32('r_addend')),
  };
}
