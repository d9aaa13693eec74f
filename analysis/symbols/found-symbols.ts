// Variables that no symbol table of the dump has, found by the code that names them or by what points at them, each known by its content. Found when they are asked for.
import {
  KernelBtf,
  type KernelSymbol,
  LayeredTypes,
  type Symbols,
  sizeOfType,
  type Types,
} from 'kdumpling/reader/debuginfo';
import { globalType } from '../globals.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { isData } from './checks/check.js';
import { FACTS, type Fact } from './facts.js';
import { Finding, type Verdict, verdictOf } from './finding.js';

const facts = new Map(FACTS.map(fact => [fact.name, fact]));
/** The section that BTF tells all variables of. */
const PER_CPU_SECTION = '.data..percpu';
const PER_CPU_START = '__per_cpu_start';
/** A kernel's symbol table either has these, or no variables at all. */
const VARIABLES = ['init_task', 'jiffies_64', 'runqueues'];
/** A function that every table of symbols has. */
const ANY_CODE = 'schedule';
/** One variable of it is found by code; it tells where the section is. */
const ANCHOR = 'runqueues';
const PAGE = 4096n;

interface Placed {
  readonly offset: number;
  readonly size: number;
}

export class FoundSymbols implements Symbols {
  readonly #kernel: Kernel;
  readonly #finding: Finding;
  readonly #found = new Map<string, KernelSymbol | null>();
  #perCpu: ReadonlyMap<string, Placed> | null = null;
  #needed: boolean | null = null;

  /** @param kernel with all symbols of the dump but these */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#finding = new Finding(kernel, name => kernel.symbol(name)?.address ?? this.#find(name)?.address ?? null);
  }

  get source(): string {
    return this.#isNeeded() ? 'found' : '';
  }

  /** No table has the others. */
  get lack(): string {
    const table = this.#kernel.symbols.resolve([ANY_CODE]).size > 0;
    return table && this.#isNeeded()
      ? "the kernel's table of symbols has functions alone: variables only where they were found"
      : '';
  }

  /** How many there may be. */
  get count(): number {
    if (!this.#isNeeded()) return 0;
    return facts.size + this.#section().size;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    for (const name of names) {
      const symbol = this.#find(name);
      if (symbol !== null) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): readonly KernelSymbol[] {
    const symbol = this.#find(name);
    return symbol === null ? [] : [symbol];
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    for (const name of this.#names()) {
      const symbol = match(name) ? this.#find(name) : null;
      if (symbol !== null) yield symbol;
    }
  }

  at(address: bigint): KernelSymbol | null {
    if (!this.#isNeeded() || !this.#mayBeHere(address)) return null;
    for (const name of this.#names()) {
      const symbol = this.#find(name);
      if (symbol === null || address < symbol.address) continue;
      if (address === symbol.address || address < symbol.address + BigInt(symbol.size)) return symbol;
    }
    return null;
  }

  /** In the image's data or among the per-CPU variables: nowhere else is anything to be found, and finding takes time. */
  #mayBeHere(address: bigint): boolean {
    return verdictOf(() => (isData(this.#finding, address) ? 'sure' : 'no')) === 'sure';
  }

  /** Where the dump's own table has variables, none has to be found. */
  #isNeeded(): boolean {
    this.#needed ??= this.#kernel.symbols.resolve(VARIABLES).size === 0;
    return this.#needed;
  }

  *#names(): Iterable<string> {
    if (!this.#isNeeded()) return;
    for (const name of facts.keys()) if (this.#kernel.symbol(name) === null) yield name;
    for (const name of this.#section().keys()) if (!facts.has(name)) yield name;
  }

  #find(name: string): KernelSymbol | null {
    if (!this.#isNeeded()) return null;
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    // What asks for itself while it is looked for is not there.
    this.#found.set(name, null);
    const fact = facts.get(name);
    const symbol = fact === undefined ? this.#inSection(name) : this.#byFact(fact);
    this.#found.set(name, symbol);
    return symbol;
  }

  #byFact(fact: Fact): KernelSymbol | null {
    const found = fact.pointer === null ? this.#byCode(fact) : this.#byPointer(fact, fact.pointer);
    if (found === null) return null;
    const size = this.#sizeOf(fact.name);
    return {
      name: fact.name,
      address: found.address,
      size,
      sizeFrom: size === 0 ? 'none' : 'exact',
      type: '?',
      perCpu: fact.perCpu,
      module: null,
      from: found.from,
    };
  }

  #byPointer(fact: Fact, pointer: NonNullable<Fact['pointer']>): { address: bigint; from: string } | null {
    let address = 0n;
    const verdict = verdictOf(() => {
      address = pointer(this.#finding);
      return fact.check(this.#finding, address);
    });
    return verdict === 'no' ? null : { address, from: fact.proof };
  }

  /** The one address that content speaks for; where content is not enough, all functions must name it. */
  #byCode(fact: Fact): { address: bigint; from: string } | null {
    const votes = new Map<bigint, string[]>();
    let functions = 0;
    for (const name of fact.code) {
      const references = this.#finding.references(name);
      if (references.length > 0) functions++;
      for (const { address, size } of references) {
        const voters = votes.get(address) ?? [];
        const fits = fact.size === 0 || size === fact.size;
        if (fits && voters.at(-1) !== name) votes.set(address, [...voters, name]);
      }
    }
    const judged = [...votes].map(([address, voters]) => ({ address, voters, verdict: this.#judge(fact, address) }));
    const sure = judged.filter(({ verdict }) => verdict === 'sure');
    const agreed = judged.filter(({ verdict, voters }) => verdict === 'likely' && voters.length === functions);
    const best = sure.length > 0 ? mostNamed(sure) : agreed;
    if (best.length !== 1) return null;
    return { address: best[0].address, from: `the code of ${best[0].voters[0]} names it, and ${fact.proof}` };
  }

  #judge(fact: Fact, address: bigint): Verdict {
    return verdictOf(() => {
      if (!fact.perCpu && !isData(this.#finding, address)) return 'no';
      return fact.check(this.#finding, address);
    });
  }

  #sizeOf(name: string): number {
    const own = this.#section().get(name);
    if (own !== undefined) return own.size;
    try {
      return sizeOfType(globalType(this.#kernel, name));
    } catch (error) {
      if (error instanceof Missing) return 0;
      throw error;
    }
  }

  /** A per-CPU variable, by where BTF has it in its section. */
  #inSection(name: string): KernelSymbol | null {
    const section = this.#section();
    const place = name === PER_CPU_START ? { offset: 0, size: 0 } : section.get(name);
    const anchor = section.get(ANCHOR);
    if (place === undefined || anchor === undefined) return null;
    const known = this.#finding.find(ANCHOR);
    if (known === null) return null;
    const start = known - BigInt(anchor.offset);
    if (start % PAGE !== 0n) return null;
    return {
      name,
      address: start + BigInt(place.offset),
      size: place.size,
      sizeFrom: place.size === 0 ? 'none' : 'exact',
      type: '?',
      perCpu: true,
      module: null,
      from: `BTF has it ${place.offset - anchor.offset} bytes from ${ANCHOR}`,
    };
  }

  #section(): ReadonlyMap<string, Placed> {
    this.#perCpu ??= perCpuSection(this.#kernel.types);
    return this.#perCpu;
  }
}

function mostNamed<T extends { readonly voters: readonly string[] }>(judged: readonly T[]): T[] {
  const most = judged.reduce((count, { voters }) => Math.max(count, voters.length), 0);
  return judged.filter(({ voters }) => voters.length === most);
}

function perCpuSection(types: Types | null): Map<string, Placed> {
  const layers = types instanceof LayeredTypes ? types.layers : [types];
  const places = new Map<string, Placed>();
  for (const layer of layers) {
    if (!(layer instanceof KernelBtf)) continue;
    for (const { name, variables } of layer.base.dataSections()) {
      if (name !== PER_CPU_SECTION) continue;
      for (const variable of variables) {
        if (variable.name !== '' && !places.has(variable.name)) places.set(variable.name, variable);
      }
    }
  }
  return places;
}
