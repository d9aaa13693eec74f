// The zones of memory as /proc/zoneinfo tells them. Source: include/linux/mmzone.h, mm/vmstat.c (2.6.31 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { perCpu } from '../collections/per-cpu.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { Columns, type Get, type Struct, struct } from '../object/index.js';
import { freeAreas } from './free-blocks.js';
import { counterReader, type VmCounter } from './vm-counters.js';
import { type ZonePlace, zonePlaces } from './zone-places.js';

/** Pages; what cannot be told is null, with an issue. */
export interface Zone {
  readonly node: number;
  /** In the node; what the flags of its pages say. */
  readonly index: number;
  readonly name: string | null;
  readonly address: bigint;
  readonly startPfn: number | null;
  /** From its first frame to its last, holes included. */
  readonly spanned: number | null;
  readonly present: number | null;
  /** Given to the buddy allocator. */
  readonly managed: number | null;
  readonly watermarks: { readonly min: number; readonly low: number; readonly high: number } | null;
  /** Added to the watermarks for a while (5.0 and later); 0 in kernels without. */
  readonly boost: number;
  /** Free blocks of each order. */
  readonly freeBlocks: readonly number[] | null;
  readonly counters: readonly VmCounter[] | null;
  /** Pages that each possible CPU keeps for itself: free, but in no free list of the zone. */
  readonly perCpuFree: readonly { readonly cpu: number; readonly pages: number }[] | null;
}

/** By node, then by number; those without memory too. @throws Missing, MemoryFault where not even the nodes are to be had */
export function* zones(kernel: Kernel, issues: Issues): Iterable<Zone> {
  const read = zoneReader(kernel, issues);
  for (const place of zonePlaces(kernel, issues)) yield read(place);
}

function zoneReader(kernel: Kernel, issues: Issues): (place: ZonePlace) => Zone {
  const layout = struct(kernel, 'zone');
  const columns = new Columns('zone', issues);
  const name = columns.add('name', () => nameOf(kernel, layout));
  const startPfn = columns.add('zone_start_pfn', () => layout.number('zone_start_pfn'));
  const spanned = columns.add('spanned_pages', () => layout.number('spanned_pages'));
  const present = columns.add('present_pages', () => layout.number('present_pages'));
  const managed = columns.optional('managed_pages', layout.has('managed_pages'), () => layout.number('managed_pages'));
  const watermarks = columns.add('_watermark', () => watermarksOf(layout));
  const boost = columns.optional('watermark_boost', layout.has('watermark_boost'), () =>
    layout.number('watermark_boost'),
  );
  const freeBlocks = columns.add('free_area', () => freeBlockCounts(kernel));
  const counters = columns.add('vm_stat', () => counterReader(kernel, 'zone', issues));
  const perCpuFree = columns.add('per_cpu_pageset', () => perCpuPages(kernel, layout));
  return ({ address, node, index }) => {
    const zone: Zone = {
      node: node.id,
      index,
      name: name(address),
      address,
      startPfn: startPfn(address),
      spanned: spanned(address),
      present: present(address),
      managed: managed(address),
      watermarks: watermarks(address),
      boost: boost(address) ?? 0,
      freeBlocks: freeBlocks(address),
      counters: counters(address),
      perCpuFree: perCpuFree(address),
    };
    columns.tell(address);
    return zone;
  };
}

const MOST_NAME = 32;

function nameOf(kernel: Kernel, layout: Struct): Get<string> {
  const pointer = layout.word('name');
  return zone => kernel.memory.text(pointer(zone), MOST_NAME);
}

function watermarksOf(layout: Struct): Get<{ min: number; low: number; high: number }> {
  const member = layout.which('_watermark', 'watermark');
  const [min, low, high] = [0, 1, 2].map(i => layout.number(`${member}[${i}]`));
  return zone => ({ min: min(zone), low: low(zone), high: high(zone) });
}

function freeBlockCounts(kernel: Kernel): Get<number[]> {
  const { offset, size, orders } = freeAreas(kernel);
  const count = struct(kernel, 'free_area').number('nr_free');
  return zone => Array.from({ length: orders }, (_, order) => count(zone + BigInt(offset + order * size)));
}

/** Per-CPU since 2.6.33, in a structure of their own since 5.14 (commit 28f836b6777b). */
function perCpuPages(kernel: Kernel, layout: Struct): Get<{ cpu: number; pages: number }[]> {
  const member = layout.which('per_cpu_pageset', 'pageset');
  if (plainType(layout.place(member).type).kind !== 'pointer')
    throw new Missing('member', `zone.${member}`, 'this kernel keeps it in another way');
  const inner = layout.inner(member);
  const count = inner.number(inner.which('count', 'pcp.count'));
  const template = layout.word(member);
  return zone => {
    const copies = perCpu(kernel);
    const from = template(zone);
    return copies.possible.map(cpu => ({ cpu, pages: count(copies.address(from, cpu)) }));
  };
}

/** Counters of each node's own (4.8 and later); [] where the kernel has none. @throws Missing */
export function* nodeCounters(
  kernel: Kernel,
  nodes: Iterable<{ readonly id: number; readonly address: bigint }>,
  issues: Issues,
): Iterable<{ readonly node: number; readonly counters: readonly VmCounter[] }> {
  if (!struct(kernel, 'pglist_data').has('vm_stat')) return;
  const read = counterReader(kernel, 'node', issues);
  for (const { id, address } of nodes) {
    try {
      yield { node: id, counters: read(address) };
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-counters', `node ${id}: ${error.message}`, address);
    }
  }
}
