// How large a compound page is, and whether it is hugetlbfs's: what its head's first tail says. Source: include/linux/mm.h, mm_types.h, hugetlb.h (2.6.24 to 7.3):
// the low byte of the first tail's flags since 6.6 (folio._flags_1), a byte or short of its own before, page[1].lru up to 4.3.
import { sizeOfType } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { hasStruct, struct } from '../object/index.js';
import { flagBit, pageLayout } from './layout.js';
import { PAGE_TYPE_HUGETLB } from './page-types.js';
import type { Pages } from './pages.js';

/** A number in the first tail. */
interface TailNumber {
  readonly offset: number;
  readonly size: number;
}

export interface CompoundForm {
  /** Null: the low byte of the first tail's flags. */
  readonly order: TailNumber | null;
  readonly hugetlb:
    | { readonly by: 'type' }
    /** A flag of the first tail (6.6 to 6.8). */
    | { readonly by: 'flag'; readonly bit: number }
    /** The destructor's number, or its address. */
    | { readonly by: 'destructor'; readonly place: TailNumber; readonly value: bigint }
    | { readonly by: 'unknown' };
}

/** Resolved once for a kernel. */
export const compoundForm = (kernel: Kernel): CompoundForm => kernel.once(findForm);

function findForm(kernel: Kernel): CompoundForm {
  if (pageLayout(kernel).types.knows(PAGE_TYPE_HUGETLB)) return { order: null, hugetlb: { by: 'type' } };
  const bit = flagBit(kernel, 'PG_hugetlb');
  if (bit !== null) return { order: null, hugetlb: { by: 'flag', bit } };
  const places = tailNumbers(kernel);
  if (places === null) return { order: null, hugetlb: { by: 'unknown' } };
  return { order: places.order, hugetlb: destructor(kernel, places.destructor) };
}

function destructor(kernel: Kernel, place: TailNumber | null): CompoundForm['hugetlb'] {
  if (place === null) return { by: 'unknown' };
  const number =
    kernel.vmcoreinfo?.number('HUGETLB_PAGE_DTOR') ?? kernel.types?.enumerator('HUGETLB_PAGE_DTOR') ?? null;
  if (number !== null) return { by: 'destructor', place, value: number };
  const address = kernel.vmcoreinfo?.symbol('free_huge_page') ?? kernel.symbol('free_huge_page')?.address ?? null;
  return address === null ? { by: 'unknown' } : { by: 'destructor', place, value: address };
}

interface TailNumbers {
  readonly order: TailNumber;
  readonly destructor: TailNumber | null;
}

function tailNumbers(kernel: Kernel): TailNumbers | null {
  return saidNumbers(kernel) ?? typedNumbers(kernel) ?? oldNumbers(kernel);
}

/** VMCOREINFO tells where they begin; that they touch tells how wide they are (shorts from 4.4 to 4.15, then bytes). */
function saidNumbers(kernel: Kernel): TailNumbers | null {
  const info = kernel.vmcoreinfo;
  if (info === null) return null;
  const { size } = pageLayout(kernel);
  const folio = (member: string): number | undefined => {
    const offset = info.offset('folio', member);
    return offset === undefined ? undefined : offset - size;
  };
  const order = folio('_folio_order') ?? info.offset('page', 'compound_order');
  if (order === undefined) return null;
  const by = folio('_folio_dtor') ?? info.offset('page', 'compound_dtor');
  const width = by !== undefined && order - by === 2 ? 2 : 1;
  return tailNumbersAt(kernel, order, by, width);
}

function tailNumbersAt(kernel: Kernel, order: number, by: number | undefined, width: number): TailNumbers | null {
  const { size } = pageLayout(kernel);
  if (!(order >= 0 && order + width <= size)) return null;
  const destructorPlace = by !== undefined && by >= 0 && by + width <= size ? { offset: by, size: width } : null;
  return { order: { offset: order, size: width }, destructor: destructorPlace };
}

function typedNumbers(kernel: Kernel): TailNumbers | null {
  if (!hasStruct(kernel, 'page')) return null;
  const folio = hasStruct(kernel, 'folio') ? struct(kernel, 'folio') : null;
  const { size } = pageLayout(kernel);
  if (folio?.has('_folio_order') === true) {
    const by = folio.has('_folio_dtor') ? folio.offset('_folio_dtor') - size : undefined;
    return tailNumbersAt(kernel, folio.offset('_folio_order') - size, by, 1);
  }
  const page = struct(kernel, 'page');
  if (!page.has('compound_order')) return null;
  const by = page.has('compound_dtor') ? page.offset('compound_dtor') : undefined;
  return tailNumbersAt(
    kernel,
    page.offset('compound_order'),
    by,
    Math.min(2, sizeOfType(page.place('compound_order').type)),
  );
}

/** page[1].lru: next is the destructor, prev the order. Newer kernels have neither there. */
function oldNumbers(kernel: Kernel): TailNumbers | null {
  const { lru, tail } = pageLayout(kernel);
  const word = kernel.memory.pointerSize;
  if (lru === null || tail.form !== 'first-page') return null;
  return { order: { offset: lru + word, size: word }, destructor: { offset: lru, size: word } };
}

/** The compound page that a head begins: `compoundAt` fills it in, allocating nothing. */
export class Compound {
  /** Of two; 0 where what is said of it cannot be. */
  order = 0;
  hugetlb = false;
  readonly #pages: Pages;
  readonly #form: CompoundForm;

  constructor(pages: Pages) {
    this.#pages = pages;
    this.#form = compoundForm(pages.kernel);
  }

  /** @param head a frame for which `isHead` is true */
  at(head: number): this {
    const pages = this.#pages;
    this.order = 0;
    this.hugetlb = false;
    if (!pages.has(head)) return this;
    const { order, hugetlb } = this.#form;
    if (hugetlb.by === 'type') this.hugetlb = pages.isHugetlbType(head);
    if (!pages.has(head + 1)) return this;
    this.order = order === null ? pages.flags(head + 1) & 0xff : this.#number(head + 1, order);
    if (hugetlb.by === 'flag') this.hugetlb = (pages.flags(head + 1) & (1 << hugetlb.bit)) !== 0;
    if (hugetlb.by === 'destructor') this.hugetlb = this.#isValue(head + 1, hugetlb.place, hugetlb.value);
    if (this.order >= pages.kernel.arch.bits || head % 2 ** this.order !== 0) this.order = 0;
    return this;
  }

  #number(tail: number, place: TailNumber): number {
    if (place.size === 1) return this.#pages.byte(tail, place.offset);
    return place.size === 2 ? this.#pages.short(tail, place.offset) : Number(this.#pages.word(tail, place.offset));
  }

  #isValue(tail: number, place: TailNumber, value: bigint): boolean {
    return place.size > 2
      ? this.#pages.word(tail, place.offset) === value
      : this.#number(tail, place) === Number(value);
  }
}
