// A kernel made of bytes, types and symbols written by hand: virtual address BASE + n is physical address n.
import { Kernel } from 'kdumpling/analysis';
import { AddressMap, Attributes, type Dump, Issues } from 'kdumpling/reader';
import { architectureByName } from 'kdumpling/reader/arch';
import type {
  CompoundType,
  KernelSymbol,
  Member,
  NamedKind,
  Symbols,
  Type,
  TypeOf,
  Types,
} from 'kdumpling/reader/debuginfo';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { type Piece, PiecesMemory } from '../reader/pieces-memory.js';

export const BASE = 0xffff_8880_0000_0000n;
export const BASE32 = 0xc000_0000n;
const SPAN = 1n << 40n;

export const int = (name: string, size: number, signed: boolean): Type => ({
  kind: 'int',
  name,
  size,
  signed,
  encoding: 'number',
});
export const INT = int('int', 4, true);
export const U64 = int('long unsigned int', 8, false);
export const pointerTo = (target: Type): Type => ({ kind: 'pointer', size: 8, target });

export function compound(
  kind: 'struct' | 'union',
  name: string,
  size: number,
  members: readonly (readonly [name: string, type: Type, bitOffset: number, bitSize?: number])[],
): CompoundType {
  return {
    kind,
    name,
    size,
    complete: true,
    members: members.map(([name, type, bitOffset, bitSize = 0]): Member => ({ name, type, bitOffset, bitSize })),
  };
}

class MadeTypes implements Types {
  readonly source = 'made';
  readonly pointerSize = 8;
  readonly #types: readonly Type[];

  constructor(types: readonly Type[]) {
    this.#types = types;
  }

  get count(): number {
    return this.#types.length;
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    return this.all(kind, name)[0] ?? null;
  }

  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    const wanted: readonly string[] = kind === 'base' ? ['int', 'float'] : [kind];
    return this.#types.filter(
      (type): type is TypeOf<K> & Type => wanted.includes(type.kind) && 'name' in type && type.name === name,
    );
  }

  variable(): null {
    return null;
  }

  variables(): string[] {
    return [];
  }

  enumerator(name: string): bigint | null {
    for (const type of this.#types) {
      const found = type.kind === 'enum' ? type.enumerators.find(one => one.name === name) : undefined;
      if (found !== undefined) return found.value;
    }
    return null;
  }

  function(): null {
    return null;
  }

  names(kind: NamedKind): string[] {
    return this.#types.flatMap(type => (type.kind === kind && 'name' in type ? [type.name] : []));
  }
}

class MadeSymbols implements Symbols {
  readonly source = 'made';
  readonly #symbols: ReadonlyMap<string, KernelSymbol>;

  constructor(addresses: Readonly<Record<string, bigint>>) {
    this.#symbols = new Map(
      Object.entries(addresses).map(([name, address]) => [
        name,
        { name, address, size: 0, sizeFrom: 'none', type: 'D', perCpu: false, module: null },
      ]),
    );
  }

  get count(): number {
    return this.#symbols.size;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    for (const name of names) {
      const symbol = this.#symbols.get(name);
      if (symbol !== undefined) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): KernelSymbol[] {
    return [...this.resolve([name]).values()];
  }

  search(match: (name: string) => boolean): KernelSymbol[] {
    return [...this.#symbols.values()].filter(({ name }) => match(name));
  }

  at(address: bigint): KernelSymbol | null {
    return [...this.#symbols.values()].find(symbol => symbol.address === address) ?? null;
  }
}

export interface MadeKernel {
  readonly pieces: readonly Piece[];
  readonly types?: readonly Type[];
  readonly symbols?: Readonly<Record<string, bigint>>;
  /** Its text. */
  readonly vmcoreinfo?: string;
  /** s390x if false. */
  readonly littleEndian?: boolean;
  /** i386 if 4: addresses begin at BASE32. */
  readonly pointerSize?: 4 | 8;
}

export function madeKernel({
  pieces,
  types = [],
  symbols = {},
  vmcoreinfo,
  littleEndian = true,
  pointerSize = 8,
}: MadeKernel): Kernel {
  const arch = architectureByName(pointerSize === 4 ? 'i386' : littleEndian ? 'x86_64' : 's390x');
  if (arch === null) throw new Error('the architecture is not there');
  const physical = new PiecesMemory(pieces, littleEndian, pointerSize);
  const virtual = new AddressMap(physical, [
    {
      name: 'linear',
      method: 'linear',
      first: pointerSize === 4 ? BASE32 : BASE,
      last: pointerSize === 4 ? 0xffff_ffffn : BASE + SPAN - 1n,
      target: 0,
      confirmedBy: '',
      partial: false,
    },
  ]);
  const issues = new Issues();
  const dump: Dump = {
    name: 'made',
    container: { format: 'raw', flattened: false, compression: [], littleEndian, bits: arch.bits, files: 1 },
    arch,
    pageSize: 4096,
    physical,
    virtual,
    segments: [],
    regions: [],
    notes: [],
    vmcoreinfo: vmcoreinfo === undefined ? null : new Vmcoreinfo(vmcoreinfo),
    eraseinfo: null,
    cpus: [],
    deviceDumps: [],
    attributes: new Attributes(),
    issues,
    close() {},
  };
  return new Kernel({ dump, arch, symbols: new MadeSymbols(symbols), types: () => new MadeTypes(types), issues });
}
