// From what was read to what to register: the smallest set of regions that holds it, each under a name that holds on the next boot where it has one.
import type { Issues, PhysicalMemory } from 'kdumpling/reader';
import { bootOf, type RegionRequest, type RegionSetFile } from 'kdumpling/reader/formats/region-set';
import type { Kernel } from '../kernel.js';
import { type NamedRun, nameRuns } from './names.js';
import { bytesOf, joined, parted, type Stretch, united } from './ranges.js';
import { type CpuAreas, cpuAreas, imageZones, kallsymsSpan, linearAddress, objectZones, type Zone } from './zones.js';

/**
 * What a region is of: `types` (what was read to open BTF), `symbols` (kallsyms), `image` (all else in the kernel's image), `per-cpu`, `objects` (all of a type), `memory` (everything
 * else: only of this dump).
 */
export const PARTS = ['types', 'symbols', 'image', 'per-cpu', 'objects', 'memory'] as const;
export type Part = (typeof PARTS)[number];

export interface AdvisedRegion {
  readonly request: RegionRequest;
  readonly part: Part;
  /** Places in the registry that it takes, and their bytes in all. */
  readonly count: number;
  readonly bytes: number;
}

export interface Advice {
  readonly set: RegionSetFile;
  readonly regions: readonly AdvisedRegion[];
  /** Where the regions lie, ascending, with the addresses that a core has them at. */
  readonly memory: readonly Zone[];
  /** What was left out by request, in bytes. */
  readonly leftOut: Readonly<Record<'types' | 'symbols', number>>;
}

export interface AdviseOptions {
  /** All that was read, ascending and disjoint. */
  readonly read: readonly Stretch[];
  /** What of it was read to open the types. */
  readonly types: readonly Stretch[];
  /** The most regions; null: any number. */
  readonly limit: number | null;
  readonly leaveOut: ReadonlySet<'types' | 'symbols'>;
  readonly issues: Issues;
}

/** A region more costs a program header: a shorter gap is registered with its neighbours. */
const FREE_GAP = 56;
const NOT_NAMED = { name: null, id: null } as const;

export function advise(kernel: Kernel, options: AdviseOptions): Advice {
  const { limit, leaveOut } = options;
  const pieces = new Pieces(kernel, options);
  const leftOut = { types: 0, symbols: 0 };
  for (const part of leaveOut) {
    leftOut[part] = bytesOf(pieces.parts[part]);
    pieces.parts[part] = [];
  }
  const regions = limit === null ? freely(kernel, pieces, options.issues) : within(kernel, pieces, limit);
  const memory = regions.flatMap(({ places }) => places).sort((a, b) => a.start - b.start);
  return {
    set: { boot: bootOf(kernel.vmcoreinfo), regions: regions.map(({ request }) => request) },
    regions: regions.map(({ request, part, places }) => ({
      request,
      part,
      count: places.length,
      bytes: bytesOf(places),
    })),
    memory,
    leftOut,
  };
}

interface Placed {
  readonly request: RegionRequest;
  readonly part: Part;
  readonly places: readonly Zone[];
}

/** What was read, by where it lies. */
class Pieces {
  readonly image: readonly Zone[];
  readonly parts: Record<'types' | 'symbols' | 'image' | 'memory', Stretch[]>;

  constructor(kernel: Kernel, { read, types }: AdviseOptions) {
    this.image = imageZones(kernel);
    const there = present(kernel.physical, read);
    const { inside, outside } = parted(there, united(this.image));
    const span = kallsymsSpan(kernel);
    const start = span === null ? -1 : kernel.memory.translate(span.first);
    const tables = span === null || start < 0 ? [] : [{ start, end: start + Number(span.end - span.first) }];
    const symbols = parted(inside, tables);
    const typed = parted(symbols.outside, types);
    this.parts = { types: typed.inside, symbols: symbols.inside, image: typed.outside, memory: outside };
  }
}

/** Notes of reads are rounded to whole units: the dump may end within one. */
function present(memory: PhysicalMemory, stretches: readonly Stretch[]): Stretch[] {
  const there: Stretch[] = [];
  for (const { start, end } of stretches) {
    for (const run of memory.runs(start, end)) if (run.state === 'data' || run.state === 'zero') there.push(run);
  }
  return united(there);
}

const isPresent = (memory: PhysicalMemory) => (gap: Stretch) => {
  for (const { state } of memory.runs(gap.start, gap.end)) if (state !== 'data' && state !== 'zero') return false;
  return true;
};

/** Any number of regions: each as it was read, by type and by per-CPU variable where it can be. */
function freely(kernel: Kernel, pieces: Pieces, issues: Issues): Placed[] {
  const close = isPresent(kernel.physical);
  const short = (stretches: readonly Stretch[]) => joined(stretches, stretches.length, FREE_GAP, close);
  const placed = imageRegions(kernel, pieces, short);
  let rest: readonly Stretch[] = pieces.parts.memory;
  for (const [type, zones] of objectZones(kernel, issues)) {
    const { inside, outside } = parted(rest, zones);
    if (inside.length === 0) continue;
    placed.push({ request: { kind: 'type', type, ...NOT_NAMED }, part: 'objects', places: zones });
    rest = outside;
  }
  const areas = cpuAreas(kernel);
  const copies = perCpuRegions(kernel, rest, areas);
  const others = parted(rest, united(copies.flatMap(({ places }) => places))).outside;
  placed.push(...copies, ...short(others).map(stretch => memoryRegion(kernel, stretch)));
  return placed;
}

/** At most `limit` regions: the shortest gaps are closed, so that what is left is runs of pages. */
function within(kernel: Kernel, pieces: Pieces, limit: number): Placed[] {
  const { parts } = pieces;
  const close = isPresent(kernel.physical);
  const all = [...parts.types, ...parts.symbols, ...parts.image, ...parts.memory].sort((a, b) => a.start - b.start);
  const classOf = (at: number) => (['types', 'symbols', 'image'] as const).find(part => holds(parts[part], at));
  const runs = joined(all, limit, FREE_GAP, gap => classOf(gap.start - 1) === classOf(gap.end) && close(gap));
  const of = (part: Part) => runs.filter(({ start }) => (classOf(start) ?? 'memory') === part);
  const image = imageRegions(kernel, pieces, (_, part) => of(part));
  return [...image, ...of('memory').map(stretch => memoryRegion(kernel, stretch))];
}

function holds(stretches: readonly Stretch[], at: number): boolean {
  let from = 0;
  let to = stretches.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (stretches[middle].end <= at) from = middle + 1;
    else to = middle;
  }
  return from < stretches.length && stretches[from].start <= at;
}

type ImagePart = 'types' | 'symbols' | 'image';

function imageRegions(
  kernel: Kernel,
  { image, parts }: Pick<Pieces, 'image' | 'parts'>,
  runsOf: (stretches: readonly Stretch[], part: ImagePart) => readonly Stretch[],
): Placed[] {
  return (['types', 'symbols', 'image'] as const).flatMap(part =>
    nameRuns(kernel, runsOf(parts[part], part), image).map(run => ({ ...named(run), part })),
  );
}

const named = ({ symbol, offset, start, end, vaddr }: NamedRun): Omit<Placed, 'part'> => ({
  request:
    symbol === null
      ? { kind: 'physical', paddr: start, length: end - start, thisDump: true, ...NOT_NAMED }
      : { kind: 'symbol', symbol, ...(offset === 0 ? {} : { offset }), length: end - start, ...NOT_NAMED },
  places: [{ start, end, vaddr }],
});

const memoryRegion = (kernel: Kernel, { start, end }: Stretch): Placed => ({
  request: { kind: 'physical', paddr: start, length: end - start, thisDump: true, ...NOT_NAMED },
  part: 'memory',
  places: [{ start, end, vaddr: linearAddress(kernel, start) }],
});

/** What was read of any CPU's copy is registered of every CPU's. */
function perCpuRegions(kernel: Kernel, read: readonly Stretch[], { first, zones }: CpuAreas): Placed[] {
  const offsets = zones.flatMap(({ start, end, offset }) =>
    parted(read, [{ start, end }]).inside.map(one => ({
      start: offset + (one.start - start),
      end: offset + (one.end - start),
    })),
  );
  const cpus = new Set(zones.map(({ cpu }) => cpu)).size;
  const runs = united(offsets);
  return joined(runs, runs.length, FREE_GAP, () => true).flatMap(run => {
    const found = kernel.symbols.at(first + BigInt(run.start));
    const offset = found === null ? 0 : Number(first + BigInt(run.start) - found.address);
    const length = run.end - run.start;
    const places = placesOf(run, zones);
    if (found?.perCpu !== true || kernel.symbol(found.name)?.address !== found.address || places.length !== cpus)
      return [];
    const part = offset === 0 ? {} : { offset };
    const request = { kind: 'symbol', symbol: found.name, ...part, length, perCpu: true, ...NOT_NAMED } as const;
    return [{ request, part: 'per-cpu' as const, places }];
  });
}

/** Where [start, end) of the area lies, for each CPU. */
function placesOf({ start, end }: Stretch, zones: CpuAreas['zones']): Zone[] {
  return zones.flatMap(zone => {
    const from = Math.max(start, zone.offset);
    const to = Math.min(end, zone.offset + (zone.end - zone.start));
    if (from >= to) return [];
    const vaddr = zone.vaddr + BigInt(from - zone.offset);
    return [{ start: zone.start + from - zone.offset, end: zone.start + to - zone.offset, vaddr }];
  });
}
