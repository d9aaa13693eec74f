// What lies where in physical memory, as far as it has a name on the next boot: the image with its tables of symbols, the static per-CPU areas, objects of some types.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { Kallsyms, LayeredSymbols, type Symbols } from 'kdumpling/reader/debuginfo';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { OBJECT_TYPES, objectsOfType } from './objects.js';
import type { Stretch } from './ranges.js';

/** A stretch of physical memory with the virtual address of its first byte. */
export interface Zone extends Stretch {
  readonly vaddr: bigint;
}

/** A stretch of one CPU's copy of the static per-CPU variables. */
export interface CpuZone extends Zone {
  readonly cpu: number;
  /** Where it begins in the area. */
  readonly offset: number;
}

export interface CpuAreas {
  /** The address of the templates' first byte. */
  readonly first: bigint;
  readonly zones: readonly CpuZone[];
}

const PAGE = 4096n;
/** The static area is never larger. */
const MOST_AREA = 1 << 24;
/** Pages of all CPUs' areas: 8192 CPUs with 128 KiB each. */
const MOST_CPU_PAGES = 1 << 18;

/** The kernel's image, where its map and its borders are known (the map may go on behind it): ascending, disjoint. */
export function imageZones(kernel: Kernel): Zone[] {
  kernel.expect(['_text', '_stext', '_end']);
  const first = (kernel.symbol('_text') ?? kernel.symbol('_stext'))?.address;
  const last = kernel.symbol('_end')?.address ?? endOfImage(kernel);
  if (first === undefined || last === null) return [];
  const zones = kernel.memory.ranges
    .filter(range => range.method !== 'file' && range.first <= last && range.last >= first)
    .map(range => {
      const from = range.first < first ? first : range.first;
      const to = range.last < last ? range.last : last;
      const start = range.target + Number(from - range.first);
      return { start, end: start + Number(to - from) + 1, vaddr: from };
    });
  return disjoint(zones);
}

/** A segment and the image map tell of the same memory; where two say different addresses, the lower one counts. */
function disjoint(zones: readonly Zone[]): Zone[] {
  const result: { start: number; end: number; readonly vaddr: bigint }[] = [];
  for (const zone of [...zones].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = result.at(-1);
    if (last === undefined || zone.start > last.end) result.push({ ...zone });
    else if (zone.end > last.end) {
      const more = { start: last.end, end: zone.end, vaddr: zone.vaddr + BigInt(last.end - zone.start) };
      if (more.vaddr === last.vaddr + BigInt(last.end - last.start)) last.end = zone.end;
      else result.push(more);
    }
  }
  return result;
}

/** phys_to_virt(), by the linear map; 0 where that is not known. */
export function linearAddress(kernel: Kernel, paddr: number): bigint {
  const linear = kernel.memory.ranges.find(({ name, first, last, target }) => {
    return name === 'linear' && paddr >= target && BigInt(paddr - target) <= last - first;
  });
  return linear === undefined ? 0n : linear.first + BigInt(paddr - linear.target);
}

/** setup_initial_init_mm() notes `_end` as the end of the kernel's own brk; null if that cannot be told. */
function endOfImage(kernel: Kernel): bigint | null {
  try {
    return struct(kernel, 'mm_struct').word('brk')(kernel.address('init_mm'));
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return null;
    throw error;
  }
}

/** The static per-CPU areas, page by page where they are not contiguous; without any where they are not known. */
export function cpuAreas(kernel: Kernel): CpuAreas {
  try {
    const first = kernel.address('__per_cpu_start');
    const bases = perCpu(kernel)
      .possible.map(cpu => perCpu(kernel).address(first, cpu))
      .sort((a, b) => (a < b ? -1 : 1));
    const steps = bases.slice(1).map((base, i) => Number(base - bases[i]));
    const end = kernel.symbol('__per_cpu_end')?.address;
    // One CPU's area ends before the next one's begins.
    const size = Math.min(end === undefined ? MOST_AREA : Number(end - first), MOST_AREA, ...steps);
    if (bases.length * Math.ceil(size / Number(PAGE)) > MOST_CPU_PAGES) return { first, zones: [] };
    const zones = perCpu(kernel).possible.flatMap(cpu => copyOf(kernel, cpu, first, size));
    return { first, zones: zones.sort((a, b) => a.start - b.start) };
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return { first: 0n, zones: [] };
  }
}

function copyOf(kernel: Kernel, cpu: number, first: bigint, size: number): CpuZone[] {
  const zones: { start: number; end: number; vaddr: bigint; cpu: number; offset: number }[] = [];
  const base = perCpu(kernel).address(first, cpu);
  for (let offset = 0; offset < size; ) {
    const vaddr = base + BigInt(offset);
    const length = Math.min(size - offset, Number(PAGE - (vaddr % PAGE)));
    const paddr = kernel.memory.translate(vaddr);
    const last = zones.at(-1);
    if (paddr >= 0 && last?.end === paddr) last.end += length;
    else if (paddr >= 0) zones.push({ start: paddr, end: paddr + length, vaddr, cpu, offset });
    offset += length;
  }
  return zones;
}

/** Where objects of the types lie that can be registered by type. */
export function objectZones(kernel: Kernel, issues: Issues): ReadonlyMap<string, readonly Zone[]> {
  const zones = new Map<string, readonly Zone[]>();
  for (const type of OBJECT_TYPES) {
    try {
      const { size } = struct(kernel, type);
      const found = objectsOfType(kernel, type, issues) ?? [];
      const places = found.map(vaddr => ({ start: kernel.memory.translate(vaddr), vaddr }));
      zones.set(
        type,
        places
          .filter(({ start }) => start >= 0)
          .sort((a, b) => a.start - b.start)
          .map(({ start, vaddr }) => ({ start, end: start + size, vaddr })),
      );
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    }
  }
  return zones;
}

/** Index entries of kallsyms: of a token two bytes, of the sorted table three. */
const TOKEN_INDEX_BYTES = 512;

/** Virtual addresses of the kernel's own table of symbols, from its first part to the end of its last; null if it is not used. */
export function kallsymsSpan(kernel: Kernel): { readonly first: bigint; readonly end: bigint } | null {
  const kallsyms = layersOf(kernel.symbols).find(layer => layer instanceof Kallsyms);
  if (kallsyms === undefined) return null;
  const { count, names, tokenTable, tokenIndex, offsets, offsetSize, markers, sorted } = kallsyms.tables;
  const starts = [names, tokenTable, tokenIndex, offsets];
  const ends = [tokenIndex + BigInt(TOKEN_INDEX_BYTES), offsets + BigInt(count * offsetSize)];
  if (markers !== null) starts.push(markers.address);
  if (sorted !== null) ends.push(sorted + BigInt(3 * count));
  const least = (a: bigint, b: bigint) => (a < b ? a : b);
  const most = (a: bigint, b: bigint) => (a > b ? a : b);
  return { first: starts.reduce(least), end: ends.reduce(most) };
}

function layersOf(symbols: Symbols): Symbols[] {
  return symbols instanceof LayeredSymbols ? symbols.layers.flatMap(layersOf) : [symbols];
}
