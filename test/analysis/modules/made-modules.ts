// Modules laid out word by word: struct module, its memory, and in it the symbol table as kernel/module/kallsyms.c leaves it.
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import { LITTLE, type Machine, MadeMemory } from '../collections/made-memory.js';
import { compound, int } from '../made-kernel.js';

export interface MadeSymbol {
  readonly name: string;
  /** From the start of the module's memory, or of its per-CPU templates. */
  readonly offset: number;
  readonly size: number;
  readonly letter: string;
  readonly section?: number;
  readonly perCpu?: true;
}

export interface MadeModule {
  readonly name: string;
  readonly symbols: readonly MadeSymbol[];
  readonly perCpuSize?: number;
}

/** 6.4 and later have mem[], those before core_layout. */
export type Generation = 'mem' | 'core_layout';

const TEXT = 0x800;
const DATA = 0x1000;
const PERCPU = 0x20000n;
const REGIONS = 7;

export interface MadeModules {
  readonly memory: MadeMemory;
  readonly types: readonly Type[];
  readonly head: bigint;
  /** struct module of each. */
  readonly objects: readonly bigint[];
  /** Where each one's symbols are counted from. */
  readonly starts: readonly bigint[];
  readonly perCpu: bigint;
}

interface Layout {
  readonly types: readonly CompoundType[];
  readonly size: number;
  /** Bytes from the start of struct module. */
  readonly at: Readonly<Record<'list' | 'name' | 'memory' | 'kallsyms' | 'percpu' | 'percpu_size' | 'tables', number>>;
  readonly region: { readonly size: number; readonly sizeAt: number };
}

function layoutOf(word: 4 | 8, generation: Generation): Layout {
  const long = int('long unsigned int', word, false);
  const small = int('unsigned int', 4, false);
  const byte = int('char', 1, true);
  const pointerOf = (target: Type): Type => ({ kind: 'pointer', size: word, target });
  const pointer = pointerOf(byte);
  const list = compound('struct', 'list_head', 2 * word, [
    ['next', pointer, 0],
    ['prev', pointer, 8 * word],
  ]);
  const region = compound('struct', 'module_memory', 2 * word, [
    ['base', pointer, 0],
    ['size', small, 8 * word],
  ]);
  const regions = generation === 'mem' ? REGIONS : 1;
  const tables = compound('struct', 'mod_kallsyms', 4 * word, [
    ['symtab', pointer, 0],
    ['num_symtab', small, 8 * word],
    ['strtab', pointer, 16 * word],
    ['typetab', pointer, 24 * word],
  ]);
  const at = { list: 16, name: 64, memory: 128, kallsyms: 256, percpu: 264, percpu_size: 272, tables: 288 };
  const member = (name: string, type: Type, offset: number) => [name, type, offset * 8] as const;
  const array = (element: Type, length: number): Type => ({ kind: 'array', element, length });
  const memory = generation === 'mem' ? array(region, regions) : region;
  const module = compound('struct', 'module', 384, [
    member('state', small, 0),
    member('list', list, at.list),
    member('name', array(byte, 56), at.name),
    member(generation === 'mem' ? 'mem' : 'core_layout', memory, at.memory),
    member('kallsyms', pointerOf(tables), at.kallsyms),
    member('percpu', pointer, at.percpu),
    member('percpu_size', small, at.percpu_size),
    member('taints', long, 280),
  ]);
  return { types: [list, region, tables, module], size: module.size, at, region: { size: 2 * word, sizeAt: word } };
}

/** Writes an Elf32_Sym or Elf64_Sym. */
function writeSymbol(memory: MadeMemory, at: bigint, name: number, value: bigint, symbol: MadeSymbol): void {
  const { pointerSize, littleEndian } = memory.machine;
  const section = symbol.section ?? 1;
  const half = littleEndian ? [section & 255, section >> 8] : [section >> 8, section & 255];
  memory.u32(at, name);
  if (pointerSize === 8) {
    memory.u8(at + 4n, 0, 0, ...half);
    memory.words(at + 8n, value, BigInt(symbol.size));
    return;
  }
  memory.u32(at + 4n, Number(value));
  memory.u32(at + 8n, symbol.size);
  memory.u8(at + 12n, 0, 0, ...half);
}

export function madeModules(
  modules: readonly MadeModule[],
  machine: Machine = LITTLE,
  generation: Generation = 'mem',
): MadeModules {
  const word = machine.pointerSize;
  const memory = new MadeMemory(0x20000, machine);
  const layout = layoutOf(word, generation);
  const head = memory.take(2 * word);
  const objects = modules.map(() => memory.take(layout.size));
  const starts: bigint[] = [];
  const ring = [head, ...objects.map(object => object + BigInt(layout.at.list))];
  for (const [i, node] of ring.entries()) {
    memory.words(node, ring[(i + 1) % ring.length], ring[(i + ring.length - 1) % ring.length]);
  }
  const perCpu = memory.base + PERCPU;
  for (const [i, { name, symbols, perCpuSize = 0 }] of modules.entries()) {
    const at = (member: keyof Layout['at']) => objects[i] + BigInt(layout.at[member]);
    const text = memory.take(TEXT, 4096);
    const data = generation === 'mem' ? memory.take(DATA, 4096) : text + BigInt(TEXT);
    if (generation === 'core_layout') memory.take(DATA);
    starts.push(text);
    memory.u8(at('name'), ...new TextEncoder().encode(`${name}\0`));
    const region = (index: number, address: bigint, size: number) => {
      memory.words(at('memory') + BigInt(index * layout.region.size), address);
      memory.u32(at('memory') + BigInt(index * layout.region.size + layout.region.sizeAt), size);
    };
    if (generation === 'mem') {
      region(0, text, TEXT);
      region(1, data, DATA);
    } else region(0, text, TEXT + DATA);
    if (perCpuSize > 0) {
      memory.words(at('percpu'), perCpu);
      memory.u32(at('percpu_size'), perCpuSize);
    }
    writeTables(
      memory,
      at('kallsyms'),
      at('tables'),
      data,
      symbols,
      symbol => (symbol.perCpu === true ? perCpu : text) + BigInt(symbol.offset),
    );
  }
  return { memory, types: layout.types, head, objects, starts, perCpu };
}

/** The first symbol of every table has no name; then the names follow, and the letters. */
function writeTables(
  memory: MadeMemory,
  pointer: bigint,
  tables: bigint,
  data: bigint,
  symbols: readonly MadeSymbol[],
  address: (symbol: MadeSymbol) => bigint,
): void {
  const word = memory.machine.pointerSize;
  const step = word === 8 ? 24 : 16;
  const count = symbols.length + 1;
  const strtab = data + BigInt(count * step);
  const names = symbols.map(({ name }) => `${name}\0`).join('');
  const typetab = strtab + BigInt(1 + names.length);
  memory.u8(strtab, 0, ...new TextEncoder().encode(names));
  let at = 1;
  for (const [i, symbol] of symbols.entries()) {
    writeSymbol(memory, data + BigInt((i + 1) * step), at, address(symbol), symbol);
    at += symbol.name.length + 1;
  }
  memory.u8(typetab, 0, ...symbols.map(({ letter }) => letter.charCodeAt(0)));
  memory.words(pointer, tables);
  memory.words(tables, data);
  memory.u32(tables + BigInt(word), count);
  memory.words(tables + BigInt(2 * word), strtab, typetab);
}
