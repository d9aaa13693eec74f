// Another reader of ELF cores, after the gABI alone: what the tests judge our own writing and reading by.

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly filesz: number;
  readonly memsz: number;
}

export class ElfWalk {
  readonly core: Buffer;
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly machine: number;
  readonly segments: readonly Segment[];

  constructor(core: Buffer) {
    this.core = core;
    this.bits = core[4] === 2 ? 64 : 32;
    this.littleEndian = core[5] === 1;
    this.machine = this.#half(18);
    const [phoff, size, count] =
      this.bits === 64
        ? [Number(this.#long(32)), this.#half(54), this.#half(56)]
        : [this.#word(28), this.#half(42), this.#half(44)];
    this.segments = Array.from({ length: count }, (_, i) => this.#segment(phoff + i * size));
  }

  #half(at: number): number {
    return this.littleEndian ? this.core.readUInt16LE(at) : this.core.readUInt16BE(at);
  }

  #word(at: number): number {
    return this.littleEndian ? this.core.readUInt32LE(at) : this.core.readUInt32BE(at);
  }

  #long(at: number): bigint {
    return this.littleEndian ? this.core.readBigUInt64LE(at) : this.core.readBigUInt64BE(at);
  }

  #segment(at: number): Segment {
    const type = this.#word(at);
    const word = (i: number) => (this.bits === 64 ? this.#long(at + 8 * i) : BigInt(this.#word(at + 4 * i)));
    const [offset, vaddr, paddr, filesz, memsz] = [1, 2, 3, 4, 5].map(word);
    return { type, offset: Number(offset), vaddr, paddr, filesz: Number(filesz), memsz: Number(memsz) };
  }

  /** PT_LOADs with bytes in the file. */
  get loads(): Segment[] {
    return this.segments.filter(({ type, filesz }) => type === 1 && filesz > 0);
  }

  /** The descriptors of all notes of a name, without the NULs that pad them. */
  notes(name: string): string[] {
    const found: string[] = [];
    for (const { type, offset, filesz } of this.segments) {
      if (type !== 4) continue;
      for (let at = offset; at + 12 <= offset + filesz; ) {
        const [nameSize, size] = [this.#word(at), this.#word(at + 4)];
        const descriptor = at + 12 + Math.ceil(nameSize / 4) * 4;
        if (this.core.toString('latin1', at + 12, at + 11 + nameSize) === name)
          found.push(this.core.toString('latin1', descriptor, descriptor + size).replace(/\0+$/, ''));
        at = descriptor + Math.ceil(size / 4) * 4;
      }
    }
    return found;
  }

  /** Bytes by physical address, across segments that touch; null where one is missing. */
  physical(paddr: bigint, length: number): Buffer | null {
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const at = paddr + BigInt(done);
      const load = this.loads.find(each => each.paddr <= at && at < each.paddr + BigInt(each.filesz));
      if (load === undefined) return null;
      const from = load.offset + Number(at - load.paddr);
      const piece = Math.min(length - done, load.offset + load.filesz - from);
      this.core.copy(bytes, done, from, from + piece);
      done += piece;
    }
    return bytes;
  }
}
