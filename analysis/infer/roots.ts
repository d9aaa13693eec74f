// Where the walk begins beside named caches: global variables whose types are known, from the table of facts, from the kernel's types (BTF tells per-CPU variables, DWARF all).
import { MemoryFault } from 'kdumpling/reader';
import { type KernelSymbol, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import { perCpu } from '../collections/index.js';
import { GLOBALS } from '../global-facts.js';
import { globalType } from '../globals.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { completed } from '../object/index.js';
import { BY_LIST, BY_SYMBOL, STRENGTH } from './claims.js';
import type { Engine } from './engine.js';
import { followList } from './links.js';

export interface Root {
  readonly name: string;
  readonly address: bigint;
  readonly type: Type;
  /** Of a per-CPU variable's copy. */
  readonly cpu: number | null;
}

/** Variables of the table, and those whose types some source tells: per-CPU variables, and all where there is DWARF. */
export function roots(kernel: Kernel): Root[] {
  const names = new Set(GLOBALS.map(({ name }) => name));
  for (const name of kernel.types?.variables() ?? []) names.add(name);
  const symbols = kernel.own.resolve(names);
  const copies = cpusOf(kernel);
  const found: Root[] = [];
  for (const name of names) {
    const symbol = symbols.get(name);
    const type = symbol === undefined ? null : typeOf(kernel, name);
    if (symbol === undefined || type === null || !isOfSize(kernel, symbol, type)) continue;
    const { address } = symbol;
    if (!symbol.perCpu) found.push({ name, address, type, cpu: null });
    else
      for (const [cpu, offset] of copies)
        found.push({ name, address: BigInt.asUintN(kernel.arch.bits, address + offset), type, cpu });
  }
  return found;
}

/** Static variables of one name are told apart by their sizes. */
function isOfSize(kernel: Kernel, { size, sizeFrom }: KernelSymbol, type: Type): boolean {
  const needed = sizeOfType(completed(kernel, type));
  return sizeFrom === 'none' || needed === 0 || (sizeFrom === 'exact' ? size === needed : size >= needed);
}

function cpusOf(kernel: Kernel): [number, bigint][] {
  try {
    const all = perCpu(kernel);
    return all.possible.map(cpu => [cpu, all.offset(cpu)]);
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return [];
    throw error;
  }
}

function typeOf(kernel: Kernel, name: string): Type | null {
  try {
    return globalType(kernel, name);
  } catch (error) {
    if (error instanceof Missing) return null;
    throw error;
  }
}

/** Says what variables are, and what pointers among them lead to. */
export function followRoots(engine: Engine, all: readonly Root[]): void {
  for (const [i, { address, type }] of all.entries()) say(engine, type, address, i, 0);
}

/** Says what is on lists whose heads are global variables. @returns the heads, whose numbers go on behind those of `roots` */
export function followGlobalLists(engine: Engine, before: number): Root[] {
  const { kernel, table } = engine;
  const heads = table.headVariables();
  kernel.expect(heads.map(({ name }) => name));
  const found: Root[] = [];
  for (const head of heads) {
    const symbol = kernel.symbol(head.name);
    if (symbol === null) continue;
    followList(engine, symbol.address, head, STRENGTH[BY_LIST], -1, before + found.length);
    found.push({ name: head.name, address: symbol.address, type: table.all[head.type].type, cpu: null });
  }
  return found;
}

const MOST_ELEMENTS = 4096;

function say(engine: Engine, type: Type, address: bigint, root: number, depth: number): void {
  const { table, space } = engine;
  const plain = plainType(type);
  if (plain.kind === 'struct') {
    const node = space.placeAt(address);
    if (plain.complete && node >= 0)
      engine.say(node, table.compound(plain), 0, STRENGTH[BY_SYMBOL], -1, BY_SYMBOL, root);
  } else if (plain.kind === 'array' && depth < 3) {
    const { length, element } = plain;
    const size = BigInt(engine.sizeOf(element));
    for (let i = 0; size > 0n && i < Math.min(length ?? 0, MOST_ELEMENTS); i++)
      say(engine, element, address + BigInt(i) * size, root, depth + 1);
  } else if (plain.kind === 'pointer') {
    const target = table.pointee(plain.target);
    if (target >= 0) engine.sayPointer(address, target, root);
  }
}
