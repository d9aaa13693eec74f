// The counters of /proc/vmstat: of all memory, of zones and nodes, and what each CPU has not added to them yet. Source: include/linux/mmzone.h, mm/vmstat.c (2.6.18 to 7.3):
// zones and nodes have counters of their own since 4.8 (commit 75ef71840539), before all are zones'.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { perCpu } from '../collections/per-cpu.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, type Struct, struct } from '../object/index.js';

export interface VmCounter {
  /** The kernel's name, for instance NR_FREE_PAGES. */
  readonly name: string;
  /** As it stands, in the counter's unit (most are pages). */
  readonly value: number;
  /** What CPUs keep to themselves: the exact value is the sum of both. Null where it cannot be told, 0 for counters of all memory. */
  readonly pending: number | null;
}

export type CounterKind = 'zone' | 'node';

const ITEMS: Readonly<Record<CounterKind, { readonly enum: string; readonly count: string; readonly global: string }>> =
  {
    zone: { enum: 'zone_stat_item', count: 'NR_VM_ZONE_STAT_ITEMS', global: 'vm_zone_stat' },
    node: { enum: 'node_stat_item', count: 'NR_VM_NODE_STAT_ITEMS', global: 'vm_node_stat' },
  };
const MOST_ITEMS = 256;

/** The name of each counter by its index; [] where this kernel has none of that kind. Of several names the one that is no base of others. */
export function counterNames(kernel: Kernel, kind: CounterKind): readonly string[] {
  const names: string[] = [];
  const { enum: tag, count } = ITEMS[kind];
  for (const { name, value } of kernel.types?.find('enum', tag)?.enumerators ?? []) {
    const index = Number(value);
    if (name === count || index < 0 || index >= MOST_ITEMS) continue;
    if (names[index] === undefined || names[index].endsWith('_BASE')) names[index] = name;
  }
  // Indices without a name would be no enum of counters.
  return names.includes(undefined as never) ? [] : names;
}

/** Counters of all memory, by name. Kernels before 4.8 have one array of all. @throws Missing where neither is there */
export function globalCounters(kernel: Kernel, issues: Issues): ReadonlyMap<string, number> {
  kernel.expect(['vm_zone_stat', 'vm_node_stat', 'vm_stat']);
  const found = new Map<string, number>();
  for (const kind of ['zone', 'node'] as const) {
    const symbol = kernel.symbol(ITEMS[kind].global) ?? (kind === 'zone' ? kernel.symbol('vm_stat') : null);
    const names = counterNames(kernel, kind);
    if (symbol === null || names.length === 0) continue;
    try {
      for (const [i, value] of longs(kernel, symbol.address, names.length).entries()) found.set(names[i], value);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-counters', `${ITEMS[kind].global}: ${error.message}`, symbol.address);
    }
  }
  if (found.size === 0 && counterNames(kernel, 'zone').length === 0)
    throw new Missing(
      'type',
      'enum zone_stat_item',
      'the vmlinux of this kernel (--vmlinux) tells, or a kernel with BTF',
    );
  if (found.size === 0) throw new Missing('symbol', 'vm_zone_stat', 'give the vmlinux of this kernel with --vmlinux');
  return found;
}

function longs(kernel: Kernel, address: bigint, count: number): number[] {
  const { memory } = kernel;
  const word = memory.pointerSize;
  const bytes = memory.bytes(address, count * word);
  const view = new DataView(bytes.buffer);
  const little = memory.littleEndian;
  return Array.from({ length: count }, (_, i) =>
    word === 8 ? Number(view.getBigInt64(i * 8, little)) : view.getInt32(i * 4, little),
  );
}

/** Where each CPU keeps differences: newest first. */
const DIFFERENCES: Readonly<
  Record<CounterKind, readonly (readonly [pointer: string, type: string, member: string])[]>
> = {
  zone: [
    // 5.14 and later (commit 28f836b6777b).
    ['per_cpu_zonestats', 'per_cpu_zonestat', 'vm_stat_diff'],
    ['pageset', 'per_cpu_pageset', 'vm_stat_diff'],
  ],
  node: [['per_cpu_nodestats', 'per_cpu_nodestat', 'vm_node_stat_diff']],
};

/** Reads the counters of a struct zone or struct pglist_data. Members are resolved once. @throws Missing */
export function counterReader(kernel: Kernel, kind: CounterKind, issues: Issues): (owner: bigint) => VmCounter[] {
  const names = counterNames(kernel, kind);
  const layout = struct(kernel, kind === 'zone' ? 'zone' : 'pglist_data');
  const at = BigInt(layout.offset('vm_stat'));
  const pending = pendingReader(kernel, kind, layout, names.length);
  return owner => {
    const values = longs(kernel, owner + at, names.length);
    const kept = orNull(() => pending?.(owner) ?? null, issues);
    return names.map((name, i) => ({ name, value: values[i], pending: kept?.[i] ?? null }));
  };
}

function orNull<T>(ask: () => T | null, issues: Issues): T | null {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof MemoryFault) && !(error instanceof Missing)) throw error;
    issues.add('unreadable-counters', `what CPUs have not added to the counters yet: ${error.message}`);
    return null;
  }
}

function pendingReader(kernel: Kernel, kind: CounterKind, layout: Struct, count: number) {
  const form = DIFFERENCES[kind].find(([pointer, type]) => layout.has(pointer) && hasStruct(kernel, type));
  if (form === undefined) return null;
  const [pointer, type, member] = form;
  const isPointer = plainType(layout.place(pointer).type).kind === 'pointer';
  const differences = struct(kernel, type);
  if (!isPointer || !differences.has(member)) return null;
  const template = layout.word(pointer);
  const offset = BigInt(differences.offset(member));
  const size = differences.sizeOf(member);
  return (owner: bigint): number[] => {
    const { memory } = kernel;
    const copies = perCpu(kernel);
    const sums = Array.from({ length: count }, () => 0);
    const from = template(owner);
    // One signed byte a counter.
    for (const cpu of copies.possible) {
      const bytes = memory.bytes(copies.address(from, cpu) + offset, Math.min(size, count));
      for (let i = 0; i < bytes.length; i++) sums[i] += (bytes[i] << 24) >> 24;
    }
    return sums;
  };
}
