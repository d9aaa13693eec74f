// What regions are called by their order, where no name is left (the kernel's own header lists them in the order of their IDs, and so do cores that are its blobs end to end): regions that VMCOREINFO
// or their content tells are fixed points, and between two of them as many regions as there are IDs are the ones between, if their sizes fit. Source: include/linux/{kmemdump,meminspect}.h.
import { NOT_ADDRESSES } from '../../arch/image-end.js';
import { NOT_VARIABLES, REGION_SERIES, REGION_SIZES, type RegionSeries } from '../../formats/region-ids.js';
import type { DumpRegion } from '../../formats/region-names.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { VirtualMemory } from '../../memory.js';
import type { NamedRegion } from './names.js';

export interface RegionSpace {
  readonly virtual: VirtualMemory;
  readonly vmcoreinfo: Vmcoreinfo | null;
}

/** Fewer fixed points may be chance. */
const LEAST_FIXED = 4;
const MASKS = ['__cpu_possible_mask', '__cpu_present_mask', '__cpu_online_mask', '__cpu_active_mask'];
/** CONFIG_NR_CPUS is 8192 at most. */
const MOST_MASK = 1024;
/** struct tk_data, or what stood in its place. */
const CLOCK = 'tk_data';
const [LEAST_CLOCK, MOST_CLOCK] = [200, 1024];

export const BANNER = 'linux_banner';
const BANNER_START = 'Linux version ';

/** The region that holds the kernel's banner, by its content; null unless there is one alone. */
export function bannerRegion(regions: readonly DumpRegion[], virtual: VirtualMemory): DumpRegion | null {
  const found = regions.filter(region => isBanner(region, virtual));
  return found.length > 0 && found.every(({ vaddr }) => vaddr === found[0].vaddr) ? found[0] : null;
}

function isBanner({ vaddr, size }: DumpRegion, virtual: VirtualMemory): boolean {
  if (vaddr === null || size < BANNER_START.length || virtual.locate(vaddr, BANNER_START.length) < 0) return false;
  return virtual.text(vaddr, BANNER_START.length) === BANNER_START;
}

/** Names by order, of the series that fits alone or as others do. */
export function byOrder(regions: readonly DumpRegion[], space: RegionSpace): NamedRegion[] {
  const found = REGION_SERIES.map(series => nameInSeries(series, regions, space)).filter(names => names.size > 0);
  const most = Math.max(0, ...found.map(names => names.size));
  const best = found.filter(names => names.size === most);
  const [first, ...others] = best;
  const named: NamedRegion[] = [];
  for (const [index, name] of first ?? []) {
    if (NOT_VARIABLES.has(name) || others.some(names => names.get(index) !== name)) continue;
    named.push({ name, region: regions[index], from: 'a region in its place of the order holds it' });
  }
  return named;
}

/** Index of a region -> name. */
function nameInSeries({ ids }: RegionSeries, regions: readonly DumpRegion[], space: RegionSpace): Map<number, string> {
  const fixed = fixedPoints(ids, regions, space);
  const names = new Map<number, string>();
  const rising = fixed.every(({ id }, i) => i === 0 || id > fixed[i - 1].id);
  if (fixed.length < LEAST_FIXED || !rising) return names;
  for (const { index, id } of fixed) names.set(index, ids[id]);
  for (const [i, { index, id }] of fixed.entries()) {
    const next = fixed[i + 1];
    if (next === undefined || next.index - index !== next.id - id) continue;
    nameStretch(ids, regions, space, { index: index + 1, id: id + 1, length: next.id - id - 1 }, names);
  }
  const first = ids.indexOf('_totalram_pages');
  const before = fixed[0].id - first;
  if (before > 0 && before <= fixed[0].index) {
    nameStretch(ids, regions, space, { index: fixed[0].index - before, id: first, length: before }, names);
  }
  const last = fixed[fixed.length - 1];
  if (ids[last.id + 1] === CLOCK && last.index + 1 < regions.length)
    nameStretch(ids, regions, space, { index: last.index + 1, id: last.id + 1, length: 1 }, names);
  return names;
}

interface Stretch {
  readonly index: number;
  readonly id: number;
  readonly length: number;
}

/** All of them or none. */
function nameStretch(
  ids: readonly string[],
  regions: readonly DumpRegion[],
  space: RegionSpace,
  { index, id, length }: Stretch,
  names: Map<number, string>,
): void {
  const pairs = Array.from({ length }, (_, i) => ({ name: ids[id + i], region: regions[index + i] }));
  if (!pairs.every(({ name, region }) => fits(name, region, space)) || !masksFit(pairs, space)) return;
  for (const [i, { name }] of pairs.entries()) names.set(index + i, name);
}

function fits(name: string, { vaddr, size }: DumpRegion, { virtual, vmcoreinfo }: RegionSpace): boolean {
  const expected = REGION_SIZES[name];
  const bytes = expected === 'word' ? virtual.pointerSize : expected;
  if (vaddr === null || (bytes !== undefined && size !== Math.ceil(bytes / 4) * 4)) return false;
  if (name === CLOCK && (size < LEAST_CLOCK || size > MOST_CLOCK)) return false;
  const told = NOT_ADDRESSES.has(name) ? undefined : vmcoreinfo?.symbol(name);
  return told === undefined || told === vaddr;
}

/** Masks of CPUs are of one size, and CPUs that run are present, and those possible. */
function masksFit(pairs: readonly { name: string; region: DumpRegion }[], { virtual }: RegionSpace): boolean {
  const masks = MASKS.map(name => pairs.find(pair => pair.name === name)?.region);
  const [possible] = masks;
  if (possible === undefined) return true;
  const bytes: Uint8Array[] = [];
  for (const mask of masks) {
    if (mask === undefined || mask.vaddr === null || mask.size !== possible.size) return false;
    if (mask.size > MOST_MASK || mask.size % virtual.pointerSize !== 0) return false;
    const at = virtual.locate(mask.vaddr, mask.size);
    if (at < 0) return false;
    bytes.push(virtual.arena.slice(at, at + mask.size));
  }
  const [all, present, online, active] = bytes;
  const within = (part: Uint8Array, whole: Uint8Array) => part.every((byte, i) => (byte & ~whole[i]) === 0);
  return all.some(byte => byte !== 0) && within(present, all) && within(online, all) && within(active, all);
}

interface Fixed {
  readonly index: number;
  readonly id: number;
}

/** Regions that are one ID alone, by rising index. */
function fixedPoints(ids: readonly string[], regions: readonly DumpRegion[], space: RegionSpace): Fixed[] {
  const fixed: Fixed[] = [];
  const places = new Map<bigint, number[]>();
  for (const [index, { vaddr }] of regions.entries()) {
    if (vaddr !== null) places.set(vaddr, [...(places.get(vaddr) ?? []), index]);
  }
  const add = (id: number, at: bigint | undefined) => {
    const there = at === undefined ? [] : (places.get(at) ?? []);
    if (there.length === 1) fixed.push({ index: there[0], id });
  };
  for (const [id, name] of ids.entries()) {
    if (name === '' || name === BANNER || NOT_ADDRESSES.has(name)) continue;
    add(id, space.vmcoreinfo?.symbol(name));
  }
  add(ids.indexOf(BANNER), bannerRegion(regions, space.virtual)?.vaddr ?? undefined);
  const sections = sectionsRegion(regions, space);
  if (sections !== null) add(ids.indexOf('mem_section'), sections);
  return fixed.sort((a, b) => a.index - b.index);
}

/** VMCOREINFO has what the variable holds. */
function sectionsRegion(regions: readonly DumpRegion[], { virtual, vmcoreinfo }: RegionSpace): bigint | null {
  const held = vmcoreinfo?.symbol('mem_section');
  if (held === undefined || held === 0n) return null;
  const found = regions.filter(
    ({ vaddr, size }) =>
      vaddr !== null &&
      size === virtual.pointerSize &&
      virtual.locate(vaddr, size) >= 0 &&
      virtual.pointer(vaddr) === held,
  );
  return found.length === 1 ? found[0].vaddr : null;
}
