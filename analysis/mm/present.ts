// How much of each area of a process is present, by its page tables, as Rss in /proc/PID/smaps counts it: without the page of zeros, huge pages of hugetlbfs and what has no struct
// page. Source: fs/proc/task_mmu.c (smaps_pte_entry, smaps_pmd_entry), mm/memory.c (vm_normal_page, 6.1 to 7.3).
import { Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { mappings, type PageTable } from '../vtop/index.js';
import { pageTableOf } from './user-memory.js';

export interface Stretch {
  readonly start: bigint;
  /** The first address behind it. */
  readonly end: bigint;
  readonly flagWords: readonly string[] | null;
}

/** VM_PFNMAP and VM_HUGETLB: what they map is not counted. */
const NOT_COUNTED = ['pf', 'ht'];
const NAMES = ['empty_zero_page', 'zero_page_mask', 'huge_zero_pfn'];

/** Bytes of each stretch; null, with issues, where page tables cannot be read whole. @param stretches by rising start, none within another */
export function presentBytes(
  kernel: Kernel,
  mm: bigint,
  stretches: readonly Stretch[],
  issues: Issues,
): number[] | null {
  try {
    const table = pageTableOf(kernel, mm);
    if (table !== null) return count(kernel, table, stretches, issues);
    issues.add(
      'no-page-tables',
      "how much of each area is present is not known: the process's page tables are not to be had",
      mm,
    );
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    const code = error instanceof Missing ? `missing-${error.kind}` : 'unreadable-memory';
    issues.add(code, `how much of each area is present cannot be told: ${error.message}`, mm);
  }
  return null;
}

function count(kernel: Kernel, table: PageTable, stretches: readonly Stretch[], issues: Issues): number[] | null {
  const bytes = stretches.map(() => 0);
  const zeros = zeroPages(kernel);
  const damage = new Issues();
  let doubtful = false;
  let i = 0;
  for (const { vaddr, physical, size, pageSize } of mappings(table, undefined, damage)) {
    const end = vaddr + BigInt(size);
    while (i < stretches.length && stretches[i].end <= vaddr) i++;
    if (physical === zeros.huge || (physical >= zeros.first && physical < zeros.end)) continue;
    const unknown = pageSize > kernel.pageSize ? zeros.huge === null : zeros.end === 0;
    for (let at = i; at < stretches.length && stretches[at].start < end; at++) {
      const stretch = stretches[at];
      doubtful ||= unknown && isCounted(stretch);
      const from = stretch.start > vaddr ? stretch.start : vaddr;
      const to = stretch.end < end ? stretch.end : end;
      bytes[at] += Number(to - from);
    }
  }
  issues.addAll(damage);
  // Part of the tables would give numbers that are too low.
  if (damage.count > 0) return null;
  if (doubtful) issues.add('missing-symbol', `the pages of zeros may be counted as present: ${zeros.lack}`);
  return bytes.map((sum, at) => (isCounted(stretches[at]) ? sum : 0));
}

const isCounted = ({ flagWords }: Stretch): boolean => !NOT_COUNTED.some(word => flagWords?.includes(word));

/** Physical addresses of what is mapped where nothing was ever written. */
interface ZeroPages {
  /** Small pages, [first, end); `end` is 0 where they are not known. */
  readonly first: number;
  readonly end: number;
  /** The huge page; -1 where there is none, null where it is not known. */
  readonly huge: number | null;
  /** What is not known of them. */
  readonly lack: string;
}

function zeroPages(kernel: Kernel): ZeroPages {
  kernel.expect(NAMES);
  const { memory, pageSize } = kernel;
  const word = (name: string): bigint | null => {
    const symbol = kernel.symbol(name);
    return symbol === null ? null : memory.pointer(symbol.address);
  };
  const page = kernel.symbol('empty_zero_page');
  // s390x has several, one behind the other, so that caches do not collide: a pointer and a mask.
  const mask = word('zero_page_mask');
  const at = mask === null ? (page?.address ?? null) : word('empty_zero_page');
  const first = at === null ? -1 : memory.translate(at);
  const huge = word('huge_zero_pfn');
  const unknown = [...(first < 0 ? ['empty_zero_page'] : []), ...(huge === null ? ['huge_zero_pfn'] : [])];
  return {
    first,
    end: first < 0 ? 0 : first + Number(mask ?? 0n) + pageSize,
    huge: huge === null ? null : hugeZeroPage(kernel, huge),
    lack: `where they are is not known (${unknown.join(', ')}); give the vmlinux of this kernel with --vmlinux`,
  };
}

/** All ones while there is none. */
function hugeZeroPage({ memory, pageSize }: Kernel, frame: bigint): number {
  return frame === BigInt.asUintN(8 * memory.pointerSize, -1n) ? -1 : Number(frame) * pageSize;
}
