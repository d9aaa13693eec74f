// The symbol table that a module keeps in memory: ELF symbols with their addresses, names, and nm's letters. Source: kernel/module/kallsyms.c, include/linux/module.h (struct mod_kallsyms; 4.5 to 7.3).
import { hex, type Issues, MemoryFault, MOST_LOCATED, type VirtualMemory } from 'kdumpling/reader';
import type { KernelSymbol } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Struct, struct } from '../object/index.js';
import { type ModuleMemory, moduleLayout } from './layout.js';

/** Larger modules than any have some tens of thousands. */
const MOST_SYMBOLS = 1 << 18;
const MOST_NAME = 1024;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
/** In the hash index: no symbol. */
const FREE = -1;
const CODE = /t/i;

/** What of a module its symbols are found with. */
export interface SymbolOwner {
  readonly name: string;
  readonly object: bigint;
  readonly memory: readonly ModuleMemory[];
  /** Templates of per-CPU variables. */
  readonly perCpu: ModuleMemory | null;
}

const utf8 = new TextDecoder();

export class ModuleSymbolTable {
  readonly owner: SymbolOwner;
  readonly count: number;
  readonly #memory: VirtualMemory;
  readonly #entrySize: number;
  readonly #entries: DataView;
  readonly #strings: Uint8Array;
  readonly #types: Uint8Array;
  /** Where its symbols can be. */
  readonly #regions: readonly ModuleMemory[];
  #byName: Int32Array | null = null;
  #byAddress: AddressOrder | null = null;
  #marks: AddressOrder | null = null;
  #exported: ReadonlyMap<bigint, string> | null = null;
  readonly #exports: () => ReadonlyMap<bigint, string>;

  private constructor(kernel: Kernel, owner: SymbolOwner, tables: Tables) {
    this.owner = owner;
    this.#memory = kernel.memory;
    this.#entrySize = kernel.arch.bits === 64 ? 24 : 16;
    this.count = Math.floor(tables.entries.length / this.#entrySize);
    this.#entries = new DataView(tables.entries.buffer, tables.entries.byteOffset, tables.entries.byteLength);
    this.#strings = tables.strings;
    this.#types = tables.types;
    this.#regions = owner.perCpu === null ? owner.memory : [...owner.memory, owner.perCpu];
    this.#exports = () => exportsOf(kernel, owner.object);
  }

  /** Null, with an issue, if the tables are not where they can be. @throws Missing, MemoryFault */
  static open(kernel: Kernel, owner: SymbolOwner, issues: Issues): ModuleSymbolTable | null {
    const tables = readTables(kernel, owner, issues);
    return tables === null ? null : new ModuleSymbolTable(kernel, owner, tables);
  }

  /** In the table's order. */
  *symbols(match: (name: string) => boolean): Iterable<KernelSymbol> {
    for (let i = 0; i < this.count; i++) {
      const name = this.#named(i) ? this.#name(i) : '';
      if (name !== '' && match(name)) yield this.#symbol(i, name);
    }
  }

  all(name: string): KernelSymbol[] {
    const wanted = new TextEncoder().encode(name);
    if (wanted.length === 0) return [];
    this.#byName ??= this.#hashNames();
    const found: KernelSymbol[] = [];
    const mask = this.#byName.length - 1;
    for (let slot = hashOf(wanted, 0, wanted.length) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#byName[slot];
      if (index === FREE) break;
      if (this.#is(index, wanted)) found.push(this.#symbol(index, name));
    }
    return found.sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** The symbol that covers an address of the module's memory. What compilers mark places with answers only where nothing else does: such labels lie within functions too. */
  at(address: bigint): KernelSymbol | null {
    this.#byAddress ??= this.#sort(false);
    const found = this.#last(this.#byAddress, address);
    if (found?.sizeFrom === 'exact') return found;
    this.#marks ??= this.#sort(true);
    const mark = this.#last(this.#marks, address);
    if (found === null || mark === null) return found ?? mark;
    return mark.address > found.address && !CODE.test(mark.type) ? mark : found;
  }

  #last({ addresses, indices }: AddressOrder, address: bigint): KernelSymbol | null {
    let i = after(addresses, address) - 1;
    const region = this.#regions.find(one => inside(one, address));
    if (i < 0 || region === undefined || addresses[i] < region.address) return null;
    // Of several at one place the first of the table that says how long it is, else the first, as the kernel takes.
    let best = i;
    for (const start = addresses[i]; i >= 0 && addresses[i] === start; i--) {
      if (this.#size(indices[i]) > 0 || this.#size(indices[best]) === 0) best = i;
    }
    const symbol = this.#symbol(indices[best], this.#name(indices[best]));
    return address < symbol.address + BigInt(symbol.size) || address === symbol.address ? symbol : null;
  }

  #symbol(index: number, name: string): KernelSymbol {
    const address = this.#address(index);
    const own = this.#size(index);
    const size = own > 0 ? own : this.#toNext(address);
    const perCpu = this.owner.perCpu !== null && inside(this.owner.perCpu, address);
    const sizeFrom = own > 0 ? 'exact' : size > 0 ? 'neighbour' : 'none';
    const type = this.#letter(index, name, address);
    return { name, address, size, sizeFrom, type, perCpu, module: this.owner.name };
  }

  /** Up to the next symbol, or the end of the memory that it lies in. */
  #toNext(address: bigint): number {
    const region = this.#regions.find(one => inside(one, address));
    if (region === undefined) return 0;
    this.#byAddress ??= this.#sort(false);
    const { addresses } = this.#byAddress;
    const i = after(addresses, address);
    const end = region.address + BigInt(region.size);
    return Number((i < addresses.length && addresses[i] < end ? addresses[i] : end) - address);
  }

  /** Upper case for what is exported to other modules, as /proc/kallsyms prints it. */
  #letter(index: number, name: string, address: bigint): string {
    const code = this.#types[index] ?? 0;
    if (code <= 32 || code >= 127) return '?';
    const letter = String.fromCharCode(code);
    this.#exported ??= this.#exports();
    return this.#exported.get(address) === name ? letter.toUpperCase() : letter.toLowerCase();
  }

  #address(index: number): bigint {
    const at = index * this.#entrySize;
    const { littleEndian } = this.#memory;
    return this.#entrySize === 24
      ? this.#entries.getBigUint64(at + 8, littleEndian)
      : BigInt(this.#entries.getUint32(at + 4, littleEndian));
  }

  #size(index: number): number {
    const at = index * this.#entrySize;
    const { littleEndian } = this.#memory;
    if (this.#entrySize === 16) return this.#entries.getUint32(at + 8, littleEndian);
    const size = this.#entries.getBigUint64(at + 16, littleEndian);
    return size < 1n << 32n ? Number(size) : 0;
  }

  #section(index: number): number {
    const at = index * this.#entrySize + (this.#entrySize === 24 ? 6 : 14);
    return this.#entries.getUint16(at, this.#memory.littleEndian);
  }

  /** Where the name begins and ends among the strings. */
  #nameStart(index: number): number {
    return this.#entries.getUint32(index * this.#entrySize, this.#memory.littleEndian);
  }

  #nameEnd(start: number): number {
    const end = this.#strings.indexOf(0, start);
    return Math.min(end < 0 ? this.#strings.length : end, start + MOST_NAME);
  }

  #name(index: number): string {
    const start = this.#nameStart(index);
    return start >= this.#strings.length ? '' : utf8.decode(this.#strings.subarray(start, this.#nameEnd(start)));
  }

  #is(index: number, wanted: Uint8Array): boolean {
    const start = this.#nameStart(index);
    if (this.#strings[start + wanted.length] !== 0) return false;
    return wanted.every((byte, i) => this.#strings[start + i] === byte);
  }

  #named(index: number): boolean {
    const start = this.#nameStart(index);
    return this.#section(index) !== SHN_UNDEF && start < this.#strings.length && this.#strings[start] !== 0;
  }

  /** Open addressing: every symbol is in the first free slot from its hash on. */
  #hashNames(): Int32Array {
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * this.count + 2))).fill(FREE);
    const mask = slots.length - 1;
    for (let i = 0; i < this.count; i++) {
      if (!this.#named(i)) continue;
      const start = this.#nameStart(i);
      let slot = hashOf(this.#strings, start, this.#nameEnd(start)) & mask;
      while (slots[slot] !== FREE) slot = (slot + 1) & mask;
      slots[slot] = i;
    }
    return slots;
  }

  /** What names a place that the module has: not constants. */
  #sort(marks: boolean): AddressOrder {
    const places: number[] = [];
    for (let i = 0; i < this.count; i++) {
      if (!this.#named(i) || this.#section(i) === SHN_ABS || this.#isMark(i) !== marks) continue;
      const address = this.#address(i);
      if (this.#regions.some(region => inside(region, address))) places.push(i);
    }
    const addresses = BigUint64Array.from(places, i => this.#address(i));
    const order = Uint32Array.from(places.keys()).sort((a, b) =>
      addresses[a] === addresses[b] ? a - b : addresses[a] < addresses[b] ? -1 : 1,
    );
    return {
      addresses: BigUint64Array.from(order, place => addresses[place]),
      indices: Uint32Array.from(order, place => places[place]),
    };
  }

  /** is_mapping_symbol(): `$x`, `.L…`. */
  #isMark(index: number): boolean {
    const start = this.#nameStart(index);
    const first = this.#strings[start];
    if (first === 0x2e) return this.#strings[start + 1] === 0x4c;
    return first === 0x24;
  }
}

const inside = ({ address, size }: ModuleMemory, at: bigint): boolean => at >= address && at - address < BigInt(size);

/** Index of the first that is greater. */
function after(sorted: BigUint64Array, address: bigint): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle] <= address) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 1;
}

interface AddressOrder {
  readonly addresses: BigUint64Array;
  readonly indices: Uint32Array;
}

interface Tables {
  readonly entries: Uint8Array;
  readonly strings: Uint8Array;
  readonly types: Uint8Array;
}

/** More than any module exports. */
const MOST_EXPORTS = 1 << 14;

/** struct kernel_symbol: the address and the name, or how far each lies from its own place (4.19 and later, on most architectures). */
function exportsOf(kernel: Kernel, object: bigint): Map<bigint, string> {
  const exported = new Map<bigint, string>();
  try {
    const { module } = moduleLayout(kernel);
    const symbol = struct(kernel, 'kernel_symbol');
    const start = module.word('syms')(object);
    const count = Math.min(MOST_EXPORTS, module.number('num_syms')(object));
    const target = (address: string, offset: string): ((entry: bigint) => bigint) => {
      if (!symbol.has(offset)) return symbol.word(address);
      const distance = symbol.word(offset);
      const place = symbol.address(offset);
      return entry => BigInt.asUintN(kernel.arch.bits, place(entry) + distance(entry));
    };
    const value = target('value', 'value_offset');
    const name = target('name', 'name_offset');
    for (let i = 0; i < count; i++) {
      const entry = start + BigInt(i * symbol.size);
      exported.set(value(entry), kernel.memory.text(name(entry), MOST_NAME));
    }
  } catch (error) {
    // What is exported only decides the case of a letter.
    if (!(error instanceof MemoryFault) && !(error instanceof Missing)) throw error;
  }
  return exported;
}

interface TableMembers {
  readonly owner: Struct;
  readonly at: (object: bigint) => bigint;
}

/** The tables have their own struct, which the module points at, since 4.5. */
function tableMembers(kernel: Kernel): TableMembers {
  const { module } = moduleLayout(kernel);
  if (!module.has('kallsyms')) return { owner: module, at: object => object };
  return { owner: struct(kernel, 'mod_kallsyms'), at: module.word('kallsyms') };
}

function readTables(kernel: Kernel, owner: SymbolOwner, issues: Issues): Tables | null {
  const { memory } = kernel;
  const members = tableMembers(kernel);
  const tables = members.at(owner.object);
  const bad = (why: string, address: bigint) => {
    issues.add('module-symbols-unreadable', `the symbols of the module ${owner.name} cannot be used: ${why}`, address);
    return null;
  };
  const count = members.owner.number('num_symtab')(tables);
  const symtab = members.owner.word('symtab')(tables);
  const strtab = members.owner.word('strtab')(tables);
  const length = count * (kernel.arch.bits === 64 ? 24 : 16);
  if (count > MOST_SYMBOLS) return bad(`it says that it has ${count}`, tables);
  if (length > roomAt(owner, symtab)) return bad(`${count} at ${hex(symtab)} pass the end of its memory`, symtab);
  const entries = memory.bytes(symtab, length);
  const room = roomAt(owner, strtab);
  if (room === 0) return bad(`its names, at ${hex(strtab)}, are not in its memory`, strtab);
  const strings = stringsAt(memory, strtab, Math.min(room, namesLength(entries, kernel)));
  const typed = members.owner.has('typetab') ? members.owner.word('typetab')(tables) : 0n;
  const types = roomAt(owner, typed) < count ? new Uint8Array(0) : memory.bytes(typed, count);
  return { entries, strings, types };
}

/** How many bytes of the module's memory there are from an address on. */
function roomAt(owner: SymbolOwner, address: bigint): number {
  const region = owner.memory.find(one => inside(one, address));
  return region === undefined ? 0 : region.size - Number(address - region.address);
}

/** To the end of the name that lies furthest behind. */
function namesLength(entries: Uint8Array, kernel: Kernel): number {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  const step = kernel.arch.bits === 64 ? 24 : 16;
  let last = 0;
  for (let at = 0; at + step <= entries.length; at += step) {
    last = Math.max(last, view.getUint32(at, kernel.memory.littleEndian));
  }
  return last + MOST_NAME;
}

/** As many of them as can be read: what lies behind the last name may not be there. */
function stringsAt(memory: VirtualMemory, address: bigint, length: number): Uint8Array {
  const strings = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const part = Math.min(MOST_LOCATED, length - done);
    const at = memory.locate(address + BigInt(done), part);
    if (at < 0) return byPages(memory, address, strings, done);
    strings.set(memory.arena.subarray(at, at + part), done);
    done += part;
  }
  return strings;
}

const PAGE = 4096;

function byPages(memory: VirtualMemory, address: bigint, strings: Uint8Array, from: number): Uint8Array {
  let done = from;
  while (done < strings.length) {
    const part = Math.min(PAGE - Number((address + BigInt(done)) % BigInt(PAGE)), strings.length - done);
    const at = memory.locate(address + BigInt(done), part);
    if (at < 0) break;
    strings.set(memory.arena.subarray(at, at + part), done);
    done += part;
  }
  return strings.subarray(0, done);
}
