// Where the members of struct page lie, from VMCOREINFO where it tells (no types need to be opened then), else from the types.
// Source: include/linux/mm_types.h, include/linux/page-flags.h, kernel/vmcore_info.c (2.6.24 to 7.3).
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, struct } from '../object/index.js';
import { PAGE_TYPE_BUDDY, type PageTypes, pageTypes } from './page-types.js';

const ADVICE = 'VMCOREINFO, the vmlinux of this kernel (--vmlinux) or a kernel with BTF tells';

/** Bytes from the start of a struct page, and numbers of bits of its flags; null where this kernel has no such thing. */
export interface PageLayout {
  /** sizeof(struct page). */
  readonly size: number;
  readonly flags: number;
  readonly refcount: number;
  readonly mapcount: number | null;
  readonly mapping: number;
  readonly private: number | null;
  readonly lru: number | null;
  /** How a tail page tells its head. */
  readonly tail: TailForm;
  /** PG_head, or PG_compound of kernels that mark heads and tails alike. */
  readonly headBit: number | null;
  readonly slabBit: number | null;
  /** PG_buddy of kernels up to 2.6.37, which mark free blocks by a flag. */
  readonly buddyBit: number | null;
  readonly types: PageTypes;
}

/**
 * `pointer`: bit 0 of the word is set in tails, the rest is the head's address (4.4, commit 1d798ca3f164); `mask`: the same, or a mask that takes a tail's address to
 * its head's (7.x, `compound_info`); `first-page`: a flag marks tails, the word is the head's address (2.6.22 to 4.3).
 */
export interface TailForm {
  readonly form: 'pointer' | 'mask' | 'first-page' | 'none';
  readonly offset: number;
  /** The flags that all are set in a tail; 0 where bit 0 of the word tells. */
  readonly flagMask: number;
}

/** Resolved once for a kernel. @throws Missing */
export const pageLayout = (kernel: Kernel): PageLayout => kernel.once(makeLayout);

function makeLayout(kernel: Kernel): PageLayout {
  const size = kernel.vmcoreinfo?.size('page') ?? sizeByTypes(kernel);
  const bytes = (member: string, width: number): number => within(member, need(kernel, member), size, width);
  const word = kernel.memory.pointerSize;
  const maybe = (member: string, width: number): number | null => {
    const offset = pageOffset(kernel, member);
    return offset === null ? null : within(member, offset, size, width);
  };
  const types = pageTypes(kernel);
  const refcount = pageOffset(kernel, '_refcount') === null ? '_count' : '_refcount';
  return {
    size,
    flags: bytes('flags', word),
    refcount: bytes(refcount, 4),
    mapcount: maybe('_mapcount', 4),
    mapping: bytes('mapping', word),
    private: maybe('private', word),
    lru: maybe('lru', 2 * word),
    tail: tailForm(kernel, maybe),
    headBit: headBit(kernel),
    slabBit: slabBit(kernel),
    buddyBit: types.knows(PAGE_TYPE_BUDDY) ? null : flagBit(kernel, 'PG_buddy'),
    types,
  };
}

/** Sizes and offsets may come from a damaged VMCOREINFO. */
const LEAST_PAGE_STRUCT = 16;
const MOST_PAGE_STRUCT = 4096;

function within(member: string, offset: number, size: number, width: number): number {
  const sane = size >= LEAST_PAGE_STRUCT && size <= MOST_PAGE_STRUCT && size % 4 === 0;
  if (sane && offset + width <= size) return offset;
  throw new Missing('member', `page.${member}`, `what is said of it (at ${offset} of ${size} bytes) cannot be`);
}

function sizeByTypes(kernel: Kernel): number {
  return struct(kernel, 'page').size;
}

/** Offset of a member of struct page; null if this kernel has none of that name. @throws Missing if neither VMCOREINFO nor types tell */
export function pageOffset(kernel: Kernel, member: string): number | null {
  const said = kernel.vmcoreinfo?.offset('page', member);
  if (said !== undefined) return said;
  if (kernel.vmcoreinfo?.size('page') !== undefined && ALWAYS_SAID.has(member)) return null;
  if (kernel.types === null || !hasStruct(kernel, 'page')) return null;
  const page = struct(kernel, 'page');
  return page.has(member) ? page.offset(member) : null;
}

/** Members that a VMCOREINFO with SIZE(page) tells if the kernel has them: no types are opened to find that it has not. */
const ALWAYS_SAID = new Set(['_count', '_refcount', 'compound_head', 'compound_info']);

function need(kernel: Kernel, member: string): number {
  const offset = pageOffset(kernel, member);
  if (offset === null) throw new Missing('member', `page.${member}`, ADVICE);
  return offset;
}

/** The number of a page flag, for instance `PG_lru`; null where this kernel has none, or nothing tells. */
export function flagBit(kernel: Kernel, name: string): number | null {
  const said = kernel.vmcoreinfo?.number(name);
  if (said !== undefined) return said >= 0n && said < 64n ? Number(said) : null;
  if (kernel.vmcoreinfo?.number('PG_lru') !== undefined && SAID_FLAGS.has(name)) return null;
  const value = kernel.types?.enumerator(name) ?? null;
  return value !== null && value >= 0n && value < 64n ? Number(value) : null;
}

/** Flags that a VMCOREINFO with NUMBER(PG_lru) tells if the kernel has them. */
const SAID_FLAGS = new Set(['PG_private', 'PG_swapcache', 'PG_hwpoison', 'PG_hugetlb']);

/** A page type since 6.10 (commit 46df8e73a4a3). VMCOREINFO did not tell the flag from its beginning; before 2.6.26 the flags were macros. */
function slabBit(kernel: Kernel): number | null {
  if (kernel.vmcoreinfo?.number('PAGE_SLAB_MAPCOUNT_VALUE') !== undefined) return null;
  const bit = flagBit(kernel, 'PG_slab');
  if (bit !== null || kernel.types === null) return bit;
  return kernel.types.enumerator('PG_lru') === null ? OLD_PG_SLAB : null;
}

const OLD_PG_SLAB = 7;

function headBit(kernel: Kernel): number | null {
  const mask = kernel.vmcoreinfo?.number('PG_head_mask');
  if (mask !== undefined) {
    const bit = Math.log2(Number(mask));
    return Number.isInteger(bit) && bit >= 0 && bit < 32 ? bit : null;
  }
  return flagBit(kernel, 'PG_head') ?? flagBit(kernel, 'PG_compound');
}

function tailForm(kernel: Kernel, offset: (member: string, width: number) => number | null): TailForm {
  const word = kernel.memory.pointerSize;
  const info = offset('compound_info', word);
  if (info !== null) return { form: word === 8 ? 'mask' : 'pointer', offset: info, flagMask: 0 };
  const head = offset('compound_head', word);
  if (head !== null) return { form: 'pointer', offset: head, flagMask: 0 };
  const first = offset('first_page', word);
  if (first === null) return { form: 'none', offset: 0, flagMask: 0 };
  return { form: 'first-page', offset: first, flagMask: tailFlags(kernel) };
}

/** PG_tail where the flags have room for it, else PG_compound and PG_reclaim together (include/linux/page-flags.h, 2.6.26 to 4.3). */
function tailFlags(kernel: Kernel): number {
  const tail = flagBit(kernel, 'PG_tail');
  if (tail !== null) return bitMask(tail);
  const compound = flagBit(kernel, 'PG_compound');
  const reclaim = flagBit(kernel, 'PG_reclaim');
  return compound === null || reclaim === null ? 0 : bitMask(compound) | bitMask(reclaim);
}

/** Flags are told in the low 32 bits. */
const bitMask = (bit: number): number => (bit < 32 ? 1 << bit : 0);
