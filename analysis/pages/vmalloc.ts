// Areas of vmalloc space: what /proc/vmallocinfo lists. Source: include/linux/vmalloc.h, mm/vmalloc.c (vmalloc_info_show, s_show before 6.9; 3.10 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries, llistNodes } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Get, type Struct, struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';

/** What is unknown, or not there, is null. */
export interface VmallocArea {
  /** First address, and one past the last; the guard page is part of it. */
  readonly start: bigint;
  readonly end: bigint;
  /** `area`: allocated; `vm_map_ram`: mapped without a vm_struct; `unpurged`: freed, but still mapped or cached. */
  readonly kind: 'area' | 'vm_map_ram' | 'unpurged';
  /** struct vmap_area. */
  readonly vmapArea: bigint;
  /** struct vm_struct. */
  readonly vmStruct: bigint | null;
  /** Who made it. */
  readonly caller: SymbolPlace | null;
  /** Pages that were allocated for it. */
  readonly pages: number | null;
  /** Where device memory lies. */
  readonly physical: bigint | null;
  /** In the words of /proc/vmallocinfo, `ioremap` or `vmalloc` first, then what it does not print. */
  readonly flags: readonly string[];
}

/** vm_struct.flags: bit -> word; those that /proc/vmallocinfo prints are the first six. */
const FLAGS: readonly (readonly [bit: number, word: string])[] = [
  [0x1, 'ioremap'],
  [0x2, 'vmalloc'],
  [0x4, 'vmap'],
  [0x8, 'user'],
  [0x10, 'dma-coherent'],
  [0x1000, 'sparse'],
  [0x20, 'uninitialized'],
  [0x40, 'no-guard'],
  [0x80, 'kasan'],
  [0x100, 'flush-reset-perms'],
  [0x200, 'map-put-pages'],
  [0x400, 'allow-huge'],
];
/** The array of its pages lies in vmalloc space itself; no flag since 4.19. */
const VPAGES = 'vpages';
/** What /proc/vmallocinfo prints of `flags`. */
export const PRINTED_FLAGS: ReadonlySet<string> = new Set([...FLAGS.slice(0, 5).map(([, word]) => word), VPAGES]);
/** vmap_area.flags before 5.4: only then is `vm` set. */
const VM_VM_AREA = 0x4n;
/** At most one a CPU, and 128 of them. */
const MOST_NODES = 1024;

/** An area, and where the array of its pages lies. */
interface Read {
  readonly area: VmallocArea;
  readonly array: bigint;
}

/** In the order of their addresses. @throws Missing */
export function vmallocAreas(kernel: Kernel, issues: Issues): VmallocArea[] {
  const read = areaReader(kernel);
  const layout = struct(kernel, 'vmap_area');
  const found: Read[] = [];
  const add = (object: bigint, unpurged: boolean) => {
    try {
      found.push(read(object, unpurged));
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-vmap-area', `a vmap_area cannot be read: ${error.message}`, object);
    }
  };
  for (const { head, name, unpurged } of areaLists(kernel, layout, issues)) {
    for (const object of listEntries(kernel, head, layout, 'list', issues, { name })) add(object, unpurged);
  }
  for (const object of oldPurgeList(kernel, layout, issues)) add(object, true);
  found.sort((one, other) => (one.area.start < other.area.start ? -1 : 1));
  const areas = found.map(({ area }) => area);
  check(areas, issues);
  return found.map(({ area, array }) =>
    areaAt(areas, array) === null ? area : { ...area, flags: [...area.flags, VPAGES] },
  );
}

/** The area that holds an address, of areas in the order of their addresses; null if none does. */
export function areaAt(areas: readonly VmallocArea[], address: bigint): VmallocArea | null {
  let from = 0;
  let to = areas.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (areas[middle].start <= address) from = middle + 1;
    else to = middle;
  }
  const area = areas[from - 1];
  return area !== undefined && address < area.end ? area : null;
}

/** The kernel's areas never overlap. */
function check(areas: readonly VmallocArea[], issues: Issues): void {
  let end = 0n;
  for (const area of areas) {
    if (area.start >= area.end)
      issues.add('damaged-vmap-area', `it goes from ${hex(area.start)} to ${hex(area.end)}`, area.vmapArea);
    else if (area.start < end)
      issues.add('damaged-vmap-area', `${hex(area.start)} lies in the area before it`, area.vmapArea);
    if (area.end > end) end = area.end;
  }
}

interface AreaList {
  readonly head: bigint;
  readonly name: string;
  readonly unpurged: boolean;
}

/** One list up to 6.8, and since 5.13 (commit 96e2db456135) one of freed areas; since 6.9 (commit d093602919ad) both for each node. */
function* areaLists(kernel: Kernel, area: Struct, issues: Issues): Iterable<AreaList> {
  kernel.expect(['vmap_area_list', 'vmap_nodes', 'nr_vmap_nodes', 'purge_vmap_area_list', 'vmap_purge_list']);
  if (kernel.symbol('vmap_nodes') !== null) {
    yield* nodeLists(kernel, issues);
    return;
  }
  yield { head: kernel.address('vmap_area_list'), name: 'vmap_area_list', unpurged: false };
  if (area.has('purge_list')) return;
  const purge = freedAreas(kernel, 'purge_vmap_area_list', issues);
  if (purge !== null) yield { head: purge, name: 'purge_vmap_area_list', unpurged: true };
}

/** From 5.4 (commit dd3b8353bae7) to 5.12: freed areas are in a chain; before that they stayed on the list of all. */
function* oldPurgeList(kernel: Kernel, area: Struct, issues: Issues): Iterable<bigint> {
  if (!area.has('purge_list') || area.has('flags')) return;
  const head = freedAreas(kernel, 'vmap_purge_list', issues);
  if (head === null) return;
  const container = area.container('purge_list');
  for (const node of llistNodes(kernel, head, issues, 'vmap_purge_list')) yield container(node);
}

function freedAreas(kernel: Kernel, name: string, issues: Issues): bigint | null {
  const symbol = kernel.symbol(name);
  if (symbol !== null) return symbol.address;
  issues.add(
    'missing-symbol',
    `areas that were freed but not purged yet are left out: the symbol ${name} is not known; give the vmlinux of this kernel with --vmlinux`,
  );
  return null;
}

function* nodeLists(kernel: Kernel, issues: Issues): Iterable<AreaList> {
  const { memory } = kernel;
  const layout = struct(kernel, 'vmap_node');
  const [busy, lazy] = [layout.address('busy.head'), layout.address('lazy.head')];
  const at = kernel.address('nr_vmap_nodes');
  const count = memory.u32(at);
  if (count === 0 || count > MOST_NODES) {
    issues.add('damaged-vmap-nodes', `nr_vmap_nodes is ${count}, which cannot be: no area is known`, at);
    return;
  }
  const first = memory.pointer(kernel.address('vmap_nodes'));
  for (let i = 0; i < count; i++) {
    const node = first + BigInt(i * layout.size);
    yield { head: busy(node), name: `vmap_nodes[${i}].busy`, unpurged: false };
    yield { head: lazy(node), name: `vmap_nodes[${i}].lazy`, unpurged: true };
  }
}

function areaReader(kernel: Kernel): (object: bigint, unpurged: boolean) => Read {
  const area = struct(kernel, 'vmap_area');
  const [start, end] = [area.word('va_start'), area.word('va_end')];
  const vmOf = vmStructOf(area);
  const vm = struct(kernel, 'vm_struct');
  const detail = detailReader(kernel, vm);
  const array = vm.word('pages');
  return (object, unpurged) => {
    const vmStruct = unpurged ? 0n : vmOf(object);
    const range = { start: start(object), end: end(object), vmapArea: object };
    if (vmStruct !== 0n)
      return { area: { ...range, kind: 'area', vmStruct, ...detail(vmStruct) }, array: array(vmStruct) };
    const none = { vmStruct: null, caller: null, pages: null, physical: null, flags: [] };
    return { area: { ...range, kind: unpurged ? 'unpurged' : 'vm_map_ram', ...none }, array: 0n };
  };
}

/** Before 5.4 vmap_area.flags says whether `vm` is set; the flags that came back in 6.3 are others, and `purge_list` is gone then. */
function vmStructOf(area: Struct): Get<bigint> {
  const vm = area.word(area.which('vm', 'private'));
  if (!area.has('flags') || !area.has('purge_list')) return vm;
  const flags = area.word('flags');
  return object => ((flags(object) & VM_VM_AREA) === 0n ? 0n : vm(object));
}

type Detail = Pick<VmallocArea, 'caller' | 'pages' | 'physical' | 'flags'>;

function detailReader(kernel: Kernel, vm: Struct): Get<Detail> {
  const [caller, pages, physical] = [vm.word('caller'), vm.number('nr_pages'), vm.word('phys_addr')];
  const flags = vm.word('flags');
  return object => {
    const bits = Number(flags(object) & 0xffff_ffffn);
    const by = caller(object);
    const device = physical(object);
    return {
      caller: by === 0n ? null : symbolPlace(kernel, by),
      pages: pages(object),
      physical: device === 0n ? null : device,
      flags: FLAGS.filter(([bit]) => (bits & bit) !== 0).map(([, word]) => word),
    };
  };
}
