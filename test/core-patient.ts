// A copy of a core whose memory is changed, by addresses of the linear map of an x86_64 kernel without KASLR (it begins at 0xffff888000000000).
import { ElfWalk, type Segment } from './elf-walk.js';

const LINEAR = 0xffff_8880_0000_0000n;
const PT_LOAD = 1;

export class CorePatient {
  readonly core: Buffer;
  readonly #segments: readonly Segment[];

  constructor(core: Buffer) {
    this.core = Buffer.from(core);
    this.#segments = new ElfWalk(core).segments.filter(({ type }) => type === PT_LOAD);
  }

  #offset(vaddr: bigint, length: number): number {
    const paddr = vaddr - LINEAR;
    const found = this.#segments.find(
      one => paddr >= one.paddr && paddr + BigInt(length) <= one.paddr + BigInt(one.filesz),
    );
    // struct pages lie in their own map, of which the core has the physical pages.
    if (found === undefined) throw new Error(`0x${vaddr.toString(16)} is not in the core`);
    return found.offset + Number(paddr - found.paddr);
  }

  word(vaddr: bigint): bigint {
    return this.core.readBigUInt64LE(this.#offset(vaddr, 8));
  }

  setWord(vaddr: bigint, value: bigint): void {
    this.core.writeBigUInt64LE(BigInt.asUintN(64, value), this.#offset(vaddr, 8));
  }

  int(vaddr: bigint): number {
    return this.core.readUInt32LE(this.#offset(vaddr, 4));
  }

  setInt(vaddr: bigint, value: number): void {
    this.core.writeUInt32LE(value, this.#offset(vaddr, 4));
  }

  byte(vaddr: bigint): number {
    return this.core[this.#offset(vaddr, 1)];
  }

  setByte(vaddr: bigint, value: number): void {
    this.core[this.#offset(vaddr, 1)] = value;
  }
}
