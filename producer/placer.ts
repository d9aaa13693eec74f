// Where a thing lies in a kernel and how large it is: the questions that every entry of a region set comes down to. What cannot be answered is recorded,
// never thrown.
import { hex, type Issues } from 'kdumpling/reader';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import type { TargetKernel, TargetSymbol } from './kernel.js';
import { KernelWords } from './kernel-words.js';
import type { EntrySize } from './region-sets/index.js';

/** Where a size comes from; `next-symbol` is an upper bound. */
export type SizeFrom =
  | 'symbol-table'
  | 'next-symbol'
  | 'vmcoreinfo'
  | 'series'
  | 'memory'
  | 'region-set'
  | 'core-image';

export interface Resolution {
  /** The thing's name, '' for a range without one. */
  readonly name: string;
  /** An ID of the series by name, by number, or null for a dynamic one. */
  readonly id: string | number | null;
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly size: number;
  readonly sizeFrom: SizeFrom;
  /** Whatever has the ID goes first. */
  readonly replaces: boolean;
}

export interface LeftOut {
  readonly name: string;
  /** `missing-symbol`, `unknown-size`, `unknown-member`, `untranslatable`, `memory-absent`, `unresolved`, or what the registry said. */
  readonly code: string;
  /** A sentence. */
  readonly why: string;
}

export interface Sized {
  readonly size: number;
  readonly from: SizeFrom;
}

/** The next symbol may be in another section: a distance of more than this is no size. */
const MOST_BOUND = 16 << 20;

export class Placer {
  protected readonly kernel: TargetKernel;
  protected readonly words: KernelWords;
  protected readonly vmcoreinfo: Vmcoreinfo | null;
  protected readonly issues: Issues;
  readonly leftOut: LeftOut[] = [];

  constructor(kernel: TargetKernel, issues: Issues) {
    this.kernel = kernel;
    this.words = new KernelWords(kernel);
    this.issues = issues;
    this.vmcoreinfo = kernel.vmcoreinfo === null ? null : new Vmcoreinfo(kernel.vmcoreinfo.text);
  }

  /** Records that something is not registered. */
  leave(name: string, code: string, why: string, address: bigint | number | null = null): undefined {
    this.leftOut.push({ name, code, why });
    this.issues.add(code, `${name} is not registered: ${why}`, address);
    return undefined;
  }

  /** VMCOREINFO's SYMBOL(mem_section) is the value of the expression: the content of a pointer, the address of an array. */
  protected isPointer(symbol: TargetSymbol): boolean {
    if (symbol.size !== null && !symbol.sizeIsBound) return symbol.size === this.words.wordSize;
    const value = this.vmcoreinfo?.symbol('mem_section');
    return value !== undefined && value !== symbol.address;
  }

  protected symbol(what: string, names: readonly string[]): TargetSymbol | undefined {
    for (const name of names) {
      const symbol = this.kernel.symbol(name);
      if (symbol !== null) return symbol;
    }
    return this.leave(what, 'missing-symbol', `there is no symbol ${names.join(' or ')} that this dump tells of`);
  }

  protected size(what: string, symbol: TargetSymbol, wanted: EntrySize): Sized | undefined {
    switch (wanted.of) {
      case 'bytes':
        return { size: wanted.bytes, from: 'series' };
      case 'word':
        return { size: this.words.wordSize, from: 'series' };
      case 'string': {
        const text = this.words.text(symbol.address, 4096);
        if (text === null) return this.symbolSize(what, symbol);
        return { size: new TextEncoder().encode(text).length + (wanted.nul ? 1 : 0), from: 'memory' };
      }
      case 'ring': {
        const part = this.ringPart(wanted.part);
        return part === undefined ? this.symbolSize(what, symbol) : { size: part.size, from: 'memory' };
      }
      case 'mem_section':
        return this.isPointer(symbol) ? { size: this.words.wordSize, from: 'series' } : this.symbolSize(what, symbol);
      case 'symbol':
        return this.symbolSize(what, symbol, wanted.type);
    }
  }

  /** A part of the static printk ring, as the ring itself tells. */
  protected ringPart(part: 'descs' | 'infos' | 'data'): { readonly vaddr: bigint; readonly size: number } | undefined {
    const symbol = this.kernel.symbol('printk_rb_static');
    const ring = symbol === null ? null : this.words.ring(symbol.address);
    if (ring === null) return undefined;
    const size = { descs: ring.descsSize, infos: ring.infosSize, data: ring.dataSize }[part];
    return { vaddr: ring[part], size };
  }

  protected symbolSize(what: string, symbol: TargetSymbol, type?: string): Sized | undefined {
    const { size, sizeIsBound } = symbol;
    if (size !== null && size > 0 && !sizeIsBound) return { size, from: 'symbol-table' };
    const known = type === undefined ? null : this.kernel.sizeOf(type);
    if (known !== null) return { size: known, from: 'vmcoreinfo' };
    if (size !== null && size > 0 && size <= MOST_BOUND) return { size, from: 'next-symbol' };
    return this.leave(what, 'unknown-size', 'nothing tells its size', symbol.address);
  }

  protected *place(
    name: string,
    id: string | number | null,
    vaddr: bigint,
    sized: Sized,
    replaces = false,
  ): Iterable<Resolution> {
    const paddr = this.kernel.translate(vaddr);
    if (paddr === null) {
      this.leave(name, 'untranslatable', `${hex(vaddr)} has no physical address in the linear and image maps`, vaddr);
      return;
    }
    if (!this.present(name, paddr, sized.size)) return;
    yield { name, id, vaddr, paddr, size: sized.size, sizeFrom: sized.from, replaces };
  }

  /** True where the dump has every byte. */
  protected present(name: string, paddr: number, size: number): boolean {
    if (size > 0 && paddr + size <= Number.MAX_SAFE_INTEGER) {
      let missing = -1;
      let state = '';
      for (const run of this.kernel.memory.runs(paddr, paddr + size)) {
        if (run.state === 'data' || run.state === 'zero') continue;
        missing = run.start;
        state = run.state;
        break;
      }
      if (missing < 0) return true;
      const why = `the dump lacks some of its ${size} bytes, from physical address ${hex(missing)} on (${state})`;
      this.leave(name, 'memory-absent', why, paddr);
      return false;
    }
    this.leave(name, 'unknown-size', `${size} bytes at physical address ${hex(paddr)} are no region`, paddr);
    return false;
  }
}
