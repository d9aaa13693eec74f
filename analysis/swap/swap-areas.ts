// Swap areas: devices and files, how large and how full each is. Source: mm/swapfile.c, include/linux/swap.h (2.6.33 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import { Paths } from '../fs/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { Columns, type Get, type Struct, struct } from '../object/index.js';

/** What is unknown is null. */
export interface SwapArea {
  /** Its number: the type of swap entries that lie there. */
  readonly type: number;
  /** Of its swap_info_struct. */
  readonly address: bigint;
  /** The device or file, as /proc/swaps shows it. */
  readonly file: string | null;
  readonly kind: 'partition' | 'file' | null;
  /** Bytes. */
  readonly size: number | null;
  readonly used: number | null;
  /** Areas of a higher priority are filled first; negative ones were given by the kernel. */
  readonly priority: number | null;
  /** By the names of SWP_…, in lower case. */
  readonly flags: readonly string[] | null;
  /** New pages may go there. */
  readonly active: boolean | null;
}

/** MAX_SWAPFILES is at most 32. */
const MOST_AREAS = 32;
const FLAGS = [
  'used',
  'writeok',
  'discardable',
  'discarding',
  'solidstate',
  'continued',
  'blkdev',
  'activated',
  'fs_ops',
  'area_discard',
  'page_discard',
  'stable_writes',
  'synchronous_io',
  'hibernation',
];
const USED = 1;
const WRITEOK = 2;
const S_IFMT = 0o170000;
const S_IFBLK = 0o060000;

/** By number; a kernel without swap has none. @throws Missing, MemoryFault where the array cannot be read */
export function swapAreas(kernel: Kernel, issues: Issues): SwapArea[] {
  kernel.expect(['swap_info', 'nr_swapfiles', 'swap_active_head', 'total_swap_pages']);
  const { memory } = kernel;
  const array = kernel.address('swap_info');
  const count = memory.u32(kernel.address('nr_swapfiles'));
  if (count > MOST_AREAS)
    issues.add('damaged-swap', `nr_swapfiles is ${count}: ${MOST_AREAS} is the most that there can be`);
  const reader = new AreaReader(kernel, issues);
  const found: SwapArea[] = [];
  for (let type = 0; type < Math.min(count, MOST_AREAS); type++) {
    const address = memory.pointer(array + BigInt(type * memory.pointerSize));
    // Numbers of areas that were switched off are used again; until then nothing of them is left.
    const area = address === 0n ? null : reader.read(type, address);
    if (area !== null) found.push(area);
  }
  compare(kernel, found, issues);
  return found;
}

class AreaReader {
  readonly #issues: Issues;
  readonly #columns: Columns;
  readonly #gets: Record<'flags' | 'type' | 'pages' | 'used' | 'priority', Get<number | null>>;
  readonly #file: Get<string | null>;
  readonly #mode: Get<number | null>;
  readonly #pageSize: number;

  constructor(kernel: Kernel, issues: Issues) {
    const layout = struct(kernel, 'swap_info_struct');
    const columns = new Columns('swap area', issues);
    const number = (name: string) => columns.add(name, () => layout.number(name));
    this.#issues = issues;
    this.#columns = columns;
    this.#pageSize = kernel.pageSize;
    this.#gets = {
      flags: number('flags'),
      type: number('type'),
      pages: number('pages'),
      used: columns.add('inuse_pages', () => usedOf(layout)),
      priority: number('prio'),
    };
    this.#file = columns.add('swap_file', () => pathOf(kernel, layout, issues));
    this.#mode = columns.add('swap_file', () => modeOf(kernel, layout));
  }

  /** Null for one that is not in use. */
  read(type: number, address: bigint): SwapArea | null {
    const { flags, type: own, pages, used, priority } = this.#gets;
    const bits = flags(address);
    if (bits !== null && (bits & USED) === 0) {
      this.#columns.tell(address);
      return null;
    }
    const claimed = own(address);
    if (claimed !== null && claimed !== type) {
      this.#issues.add('damaged-swap', `the swap area ${type} at ${hex(address)} says that it is ${claimed}`, address);
    }
    const mode = this.#mode(address);
    const bytes = (count: number | null) => (count === null ? null : count * this.#pageSize);
    const row: SwapArea = {
      type,
      address,
      file: this.#file(address),
      kind: mode === null ? null : (mode & S_IFMT) === S_IFBLK ? 'partition' : 'file',
      size: bytes(pages(address)),
      used: bytes(used(address)),
      priority: priority(address),
      flags: bits === null ? null : FLAGS.filter((_, bit) => ((bits >>> bit) & 1) === 1),
      active: bits === null ? null : (bits & WRITEOK) !== 0,
    };
    this.#columns.tell(address);
    return row;
  }
}

/** A word of which the highest bit but one says that the area is full and off the list (6.13, commit b228386cf37c); a plain count before. */
function usedOf(layout: Struct): Get<number> {
  const count = layout.word('inuse_pages');
  const offList = 1n << BigInt(8 * layout.sizeOf('inuse_pages') - 2);
  return address => Number(count(address) & ~offList);
}

function pathOf(kernel: Kernel, layout: Struct, issues: Issues): Get<string | null> {
  const paths = new Paths(kernel, issues);
  const file = layout.word('swap_file');
  const path = struct(kernel, 'file').address('f_path');
  return address => {
    const at = file(address);
    return at === 0n ? null : paths.text(path(at));
  };
}

function modeOf(kernel: Kernel, layout: Struct): Get<number | null> {
  const file = layout.word('swap_file');
  const inode = struct(kernel, 'file').word('f_inode');
  const mode = struct(kernel, 'inode').number('i_mode');
  return address => {
    const at = file(address);
    return at === 0n ? null : mode(inode(at));
  };
}

/** What can be written to is on a list by priority, and counted. */
function compare(kernel: Kernel, found: readonly SwapArea[], issues: Issues): void {
  if (issues.count > 0) return;
  const active = found.filter(area => area.active === true);
  const total = kernel.symbol('total_swap_pages');
  const head = kernel.symbol('swap_active_head');
  try {
    if (total !== null) {
      const said = Number(kernel.memory.pointer(total.address)) * kernel.pageSize;
      const sum = active.reduce((bytes, { size }) => bytes + (size ?? 0), 0);
      if (said !== sum) issues.add('swap-count', `total_swap_pages says ${said} bytes, the areas have ${sum}`);
    }
    // A list without a head of its own before 3.16 (commit 18ab4d4ced08).
    if (head !== null) {
      const list = struct(kernel, 'plist_head').address('node_list')(head.address);
      const layout = struct(kernel, 'swap_info_struct');
      const listed = new Set(listEntries(kernel, list, layout, 'list.node_list', issues, { name: 'swap_active_head' }));
      for (const { type, address } of active) {
        if (!listed.has(address))
          issues.add('swap-not-listed', `swap_active_head does not lead to the area ${type}`, address);
        listed.delete(address);
      }
      for (const address of listed) {
        issues.add('swap-not-listed', `swap_active_head leads to ${hex(address)}, which is no active area`, address);
      }
    }
  } catch (error) {
    if (!(error instanceof MemoryFault) && !(error instanceof Missing)) throw error;
    issues.add('unchecked-swap', `whether these are all areas cannot be told: ${error.message}`);
  }
}
