// The objects that `struct` prints: one behind the other from an address on, or the copies of a per-CPU one.
import { type Kernel, Missing } from 'kdumpling/analysis';
import { perCpu } from 'kdumpling/analysis/collections';
import { MemberPath, type NamedValue, readValue, type Value } from 'kdumpling/analysis/object';
import type { Issues } from 'kdumpling/reader';
import { sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import { parseAddress } from './address-argument.js';
import { UsageError } from './command.js';
import { tellNoCpu } from './cpu-arguments.js';

export interface ObjectValue {
  readonly address: bigint;
  /** Whose copy it is; null for what is not per-CPU. */
  readonly cpu: number | null;
  readonly value: Value;
}

/** Where objects lie, as the command line says it. */
export interface GivenPlace {
  /** An address as commands take it, or one with `:CPUS`. */
  readonly addr: string;
  /** How many lie one behind the other. */
  readonly count: number;
}

interface Place {
  readonly address: bigint;
  readonly cpu: number | null;
}

const PER_CPU = /^(.*):([^:]*)$/;
const CPU_RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/** @param selected paths of members; null for all of it */
export function objectsAt(
  kernel: Kernel,
  type: Type,
  selected: readonly string[] | null,
  { addr, count }: GivenPlace,
  issues: Issues,
): ObjectValue[] {
  const read = selected === null ? (address: bigint) => readValue(kernel, type, address) : some(kernel, type, selected);
  const size = BigInt(sizeOfType(type));
  return placesOf(kernel, addr, issues).flatMap(({ address: first, cpu }) =>
    Array.from({ length: count }, (_, i) => {
      const address = BigInt.asUintN(kernel.arch.bits, first + BigInt(i) * size);
      return { address, cpu, value: read(address) };
    }),
  );
}

function placesOf(kernel: Kernel, addr: string, issues: Issues): Place[] {
  const match = PER_CPU.exec(addr);
  const { address } = parseAddress(match?.[1] ?? addr, () => kernel.symbols);
  if (match === null) return [{ address, cpu: null }];
  const copies = perCpu(kernel);
  return cpusOf(match[2], copies.possible, issues).map(cpu => ({ address: copies.address(address, cpu), cpu }));
}

/** `all`, or numbers and ranges: `0,2-3`. @throws UsageError */
function cpusOf(text: string, possible: readonly number[], issues: Issues): readonly number[] {
  if (text === 'all' || text === 'a') return possible;
  const wanted = text.split(',').map(part => {
    const match = CPU_RANGE.exec(part);
    if (match === null)
      throw new UsageError(`CPUs are numbers and ranges such as 0,2-3, or all, not ${JSON.stringify(text)}`);
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (!possible.some(cpu => cpu >= first && cpu <= last)) tellNoCpu(part, issues);
    return { first, last };
  });
  return possible.filter(cpu => wanted.some(({ first, last }) => cpu >= first && cpu <= last));
}

/** Members alone; one that there is not costs its own value only. */
function some(kernel: Kernel, type: Type, paths: readonly string[]): (address: bigint) => Value {
  const members = paths.map((name): { name: string; get: (address: bigint) => Value } => {
    try {
      const path = new MemberPath(kernel, type, name);
      return { name, get: address => path.value(address) };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      const none: Value = { kind: 'none', why: error.message };
      return { name, get: () => none };
    }
  });
  return address => ({
    kind: 'members',
    members: members.map(({ name, get }): NamedValue => ({ name, value: get(address) })),
  });
}
