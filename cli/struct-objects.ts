// The objects that `struct` prints: one behind the other from an address on, or the copies of a per-CPU one.
import { type Kernel, Missing } from 'kdumpling/analysis';
import { perCpu } from 'kdumpling/analysis/collections';
import { KernelObject, type NamedValue, readValue, type Value } from 'kdumpling/analysis/object';
import { FAULT_SENTENCES, MemoryFault } from 'kdumpling/reader';
import type { CompoundType } from 'kdumpling/reader/debuginfo';
import { parseAddress } from './address-argument.js';
import { UsageError } from './command.js';

export interface ObjectValue {
  readonly address: bigint;
  /** Whose copy it is; null for what is not per-CPU. */
  readonly cpu: number | null;
  readonly members: readonly NamedValue[];
}

interface Place {
  readonly address: bigint;
  readonly cpu: number | null;
}

const PER_CPU = /^(.*):([^:]*)$/;
const CPU_RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/**
 * @param addr an address as commands take it, or one with `:CPUS`
 * @param count how many lie one behind the other
 */
export function objectsAt(
  kernel: Kernel,
  type: CompoundType,
  selected: readonly string[] | null,
  addr: string,
  count: number,
): ObjectValue[] {
  return placesOf(kernel, addr).flatMap(({ address: first, cpu }) =>
    Array.from({ length: count }, (_, i) => {
      const address = BigInt.asUintN(kernel.arch.bits, first + BigInt(i) * BigInt(type.size));
      const members = selected === null ? wholeOf(kernel, type, address) : someOf(kernel, type, selected, address);
      return { address, cpu, members };
    }),
  );
}

function placesOf(kernel: Kernel, addr: string): Place[] {
  const match = PER_CPU.exec(addr);
  const { address } = parseAddress(match?.[1] ?? addr, () => kernel.symbols);
  if (match === null) return [{ address, cpu: null }];
  const copies = perCpu(kernel);
  return cpusOf(match[2], copies.possible).map(cpu => ({ address: copies.address(address, cpu), cpu }));
}

/** `all`, or numbers and ranges: `0,2-3`. @throws UsageError */
function cpusOf(text: string, possible: readonly number[]): readonly number[] {
  if (text === 'all' || text === 'a') return possible;
  const wanted = text.split(',').map(part => {
    const match = CPU_RANGE.exec(part);
    if (match === null)
      throw new UsageError(`CPUs are numbers and ranges such as 0,2-3, or all, not ${JSON.stringify(text)}`);
    return { first: Number(match[1]), last: Number(match[2] ?? match[1]) };
  });
  const found = possible.filter(cpu => wanted.some(({ first, last }) => cpu >= first && cpu <= last));
  if (found.length === 0) throw new UsageError(`this kernel has no CPU ${text}: it has ${possible.join(', ')}`);
  return found;
}

function wholeOf(kernel: Kernel, type: CompoundType, address: bigint): readonly NamedValue[] {
  const value = readValue(kernel, type, address);
  return value.kind === 'members' ? value.members : [];
}

function someOf(kernel: Kernel, type: CompoundType, paths: readonly string[], address: bigint): NamedValue[] {
  const object = new KernelObject(kernel, type, address);
  return paths.map(path => ({ name: path, value: readMember(object, path) }));
}

/** A path may lead through pointers; one that leads nowhere costs its own value only. */
function readMember(object: KernelObject, path: string): Value {
  try {
    return object.member(path).value();
  } catch (error) {
    if (error instanceof Missing) return { kind: 'none', why: error.message };
    if (error instanceof MemoryFault) return { kind: 'none', why: FAULT_SENTENCES[error.reason] };
    throw error;
  }
}
