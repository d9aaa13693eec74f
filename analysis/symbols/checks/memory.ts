// Variables of memory management. Source: mm/{vmalloc,vmstat,swapfile,sparse,init-mm,page_alloc,huge_memory}.c, include/linux/mmzone.h (6.1 to 7.3).
import { type Struct, struct } from '../../object/index.js';
import type { Finding, Verdict } from '../finding.js';
import type { Check } from './check.js';

const MOST_NODES = 1024;
const MOST_ZONES = 16;
const MOST_COUNTERS = 256;
/** Two CPUs may have been stopped within an update. */
const MOST_TORN = 2;
const LEAST_EQUAL = 4;
const LEAST_HUGE = 2 ** 21;

/** SYMBOL(mem_section) of VMCOREINFO is what the variable holds. */
export const memorySection: Check = (finding, address) => {
  const held = finding.kernel.vmcoreinfo?.symbol('mem_section');
  return held !== undefined && held !== 0n && finding.word(address) === held ? 'sure' : 'no';
};

/** The kernel's own page tables. */
export const initialMm: Check = (finding, address) =>
  finding.member('mm_struct', 'pgd', address) === finding.address('swapper_pg_dir') ? 'sure' : 'no';

/** The root has no parent, and is an area of addresses. */
export const vmapRoot: Check = (finding, address) => {
  const node = finding.member('rb_root', 'rb_node', address);
  if (node === 0n || (finding.member('rb_node', '__rb_parent_color', node) & ~3n) !== 0n) return 'no';
  const area = struct(finding.kernel, 'vmap_area').container('rb_node')(node);
  const start = finding.member('vmap_area', 'va_start', area);
  const end = finding.member('vmap_area', 'va_end', area);
  return start < end && start % 4096n === 0n && end % 4096n === 0n ? 'sure' : 'no';
};

/** Areas that were freed: none has a vm_struct. Those that are free for good keep the largest size below them where the others keep their vm_struct. */
export const purgedAreas: Check = (finding, address) => {
  const area = struct(finding.kernel, 'vmap_area');
  const [start, end, vm] = [area.word('va_start'), area.word('va_end'), area.word(area.which('vm', 'private'))];
  return finding.list(
    address,
    'vmap_area',
    'list',
    entry => start(entry) < end(entry) && start(entry) % 4096n === 0n && end(entry) % 4096n === 0n && vm(entry) === 0n,
  );
};

/** A page of nothing but zeros; another variable may be that too. */
export const zeroPage: Check = (finding, address) => {
  const { memory, pageSize } = finding.kernel;
  if (address % BigInt(pageSize) !== 0n) return 'no';
  const at = memory.locate(address, pageSize);
  return at >= 0 && memory.arena.subarray(at, at + pageSize).every(byte => byte === 0) ? 'likely' : 'no';
};

/** All ones while there is no huge page of zeros, else its frame: huge pages are aligned to at least 512 pages of 4 KiB. */
export const hugeZeroFrame: Check = (finding, address) => {
  const { memory, physical, pageSize } = finding.kernel;
  const frame = memory.pointer(address);
  if (frame === BigInt.asUintN(8 * memory.pointerSize, -1n)) return 'likely';
  const start = Number(frame) * pageSize;
  if (frame === 0n || !Number.isSafeInteger(start) || start % LEAST_HUGE !== 0) return 'no';
  const page = new Uint8Array(pageSize);
  physical.read(start, page);
  return page.every(byte => byte === 0) ? 'likely' : 'no';
};

/** An array of nodes, or of pointers to them: the first is node 0 and has pages. */
export const nodes: Check = (finding, address) => {
  const node = struct(finding.kernel, 'pglist_data');
  const first = finding.word(address);
  return node.number('node_id')(first) === 0 && node.number('nr_zones')(first) in ZONES && spans(node, first)
    ? 'sure'
    : 'no';
};

const ZONES = { 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1 };

function spans(node: Struct, address: bigint): boolean {
  const present = node.word('node_present_pages')(address);
  return present > 0n && present <= node.word('node_spanned_pages')(address);
}

/** Nodes of node_data or contig_page_data. @throws Missing, MemoryFault */
function* eachNode(finding: Finding): Iterable<bigint> {
  const table = finding.find('node_data');
  if (table === null) {
    yield finding.address('contig_page_data');
    return;
  }
  const { pointerSize } = finding.kernel.memory;
  for (let i = 0; i < MOST_NODES; i++) {
    const node = finding.word(table + BigInt(i * pointerSize));
    if (node === 0n) return;
    yield node;
  }
}

function* eachZone(finding: Finding): Iterable<bigint> {
  const node = struct(finding.kernel, 'pglist_data');
  const size = BigInt(node.inner('node_zones').size);
  for (const address of eachNode(finding)) {
    const zones = Math.min(MOST_ZONES, node.number('nr_zones')(address));
    for (let i = 0; i < zones; i++) yield node.address('node_zones')(address) + BigInt(i) * size;
  }
}

/** Counters of the whole machine are the sums of those of its parts. */
function sums(finding: Finding, address: bigint, part: Struct, parts: Iterable<bigint>): Verdict {
  const { pointerSize } = finding.kernel.memory;
  const length = Math.min(MOST_COUNTERS, Math.floor(part.sizeOf('vm_stat') / pointerSize));
  const totals = Array.from({ length }, () => 0n);
  const start = part.address('vm_stat');
  for (const one of parts) {
    for (let i = 0; i < length; i++) totals[i] += finding.word(start(one) + BigInt(i * pointerSize));
  }
  let torn = 0;
  let equal = 0;
  for (const [i, total] of totals.entries()) {
    const held = finding.word(address + BigInt(i * pointerSize));
    if (held !== BigInt.asUintN(8 * pointerSize, total)) torn++;
    else if (held !== 0n) equal++;
  }
  return torn <= MOST_TORN && equal >= LEAST_EQUAL ? 'sure' : 'no';
}

export const nodeCounters: Check = (finding, address) =>
  sums(finding, address, struct(finding.kernel, 'pglist_data'), eachNode(finding));

export const zoneCounters: Check = (finding, address) =>
  sums(finding, address, struct(finding.kernel, 'pglist_data').inner('node_zones'), eachZone(finding));

/** The pages of all zones. */
export const totalPages: Check = (finding, address) => {
  const zone = struct(finding.kernel, 'pglist_data').inner('node_zones');
  let sum = 0n;
  for (const one of eachZone(finding)) sum += zone.word('managed_pages')(one);
  return sum > 0n && finding.word(address) === sum ? 'sure' : 'no';
};

/** Pointers; the first, if there is one, is of the area that says that it is the first. */
export const swapInfo: Check = (finding, address) => {
  const first = finding.word(address);
  if (first === 0n) return 'likely';
  return struct(finding.kernel, 'swap_info_struct').number('type')(first) === 0 ? 'sure' : 'no';
};
