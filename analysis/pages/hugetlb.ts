// The pools of hugetlbfs: hstates[], hugetlb_max_hstate of them. Source: include/linux/hugetlb.h, mm/hugetlb.c (2.6.27 to 7.3).
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';

export interface HugePool {
  readonly name: string;
  readonly address: bigint;
  /** Bytes. */
  readonly pageSize: number;
  /** Huge pages, not pages. */
  readonly pages: number;
  readonly free: number;
  readonly reserved: number;
  readonly surplus: number;
}

/** HUGE_MAX_HSTATE is 16 at most. */
const MOST_POOLS = 32;
const MOST_ORDER = 30;
const MOST_NAME = 32;

/** [] without CONFIG_HUGETLB_PAGE. @throws Missing, MemoryFault */
export function hugePools(kernel: Kernel, issues: Issues): HugePool[] {
  const first = kernel.symbol('hstates');
  if (first === null && kernel.types?.find('struct', 'hstate')?.complete !== true && kernel.types !== null) return [];
  const layout = struct(kernel, 'hstate');
  const { memory, pageSize } = kernel;
  const count = memory.u32(kernel.address('hugetlb_max_hstate'));
  if (count > MOST_POOLS) {
    issues.add(
      'damaged-hstates',
      `hugetlb_max_hstate is ${count}, which cannot be`,
      kernel.address('hugetlb_max_hstate'),
    );
    return [];
  }
  const order = layout.number('order');
  const numbers = (['nr_huge_pages', 'free_huge_pages', 'resv_huge_pages', 'surplus_huge_pages'] as const).map(name =>
    layout.number(name),
  );
  const name = layout.has('name') ? layout.text('name') : null;
  return Array.from({ length: count }, (_, i) => kernel.address('hstates') + BigInt(i * layout.size)).flatMap(
    address => {
      const by = order(address);
      if (by > MOST_ORDER) {
        issues.add('damaged-hstates', `a pool of pages of order ${by} cannot be`, address);
        return [];
      }
      const [pages, free, reserved, surplus] = numbers.map(get => get(address));
      const size = pageSize * 2 ** by;
      const text = name?.(address).slice(0, MOST_NAME) ?? `hugepages-${size / 1024}kB`;
      return [{ name: text, address, pageSize: size, pages, free, reserved, surplus }];
    },
  );
}
