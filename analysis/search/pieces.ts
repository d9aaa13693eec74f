// What is mapped at virtual addresses, piece by piece in ascending order: the kernel's, by segments, linear and image maps and by page tables; a process's, by its page tables.
import type { AddressMap, Issues, MappedPiece } from 'kdumpling/reader';
import { type Mapping, mappings, type PageTable } from '../vtop/index.js';

export interface VirtualPiece {
  readonly vaddr: bigint;
  /** null in a core without physical addresses. */
  readonly paddr: number | null;
  readonly size: number;
}

/** [from, to) of virtual addresses. */
export interface VirtualRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** Parts of the kernel's addresses: `linear` is what segments and maps hold too (the direct map, the image), `tables` what only page tables do (vmalloc, modules, the memory map). */
export type KernelPart = 'all' | 'linear' | 'tables';

/**
 * By page tables, where they tell of an address range at all: a map may claim more than is mapped. Else by segments and maps.
 * @param table null where the kernel's page tables are not to be had
 * @param issues page tables that cannot be read
 */
export function* kernelPieces(
  memory: AddressMap,
  table: PageTable | null,
  part: KernelPart,
  range: VirtualRange,
  issues: Issues,
): Iterable<VirtualPiece> {
  const mapped = table === null ? [] : tablePieces(table, issues);
  yield* joined(within(partOf(mapped, [...memory.pieces()].map(rangeOf), part), range));
}

/** @param issues page tables that cannot be read */
export function processPieces(table: PageTable, range: VirtualRange, issues: Issues): Iterable<VirtualPiece> {
  return joined(within(tablePieces(table, issues), range));
}

/** What a segment or a map holds. */
interface HeldRange extends VirtualPiece {
  readonly end: bigint;
}

const rangeOf = ({ vaddr, size, target, method }: MappedPiece): HeldRange => ({
  vaddr,
  paddr: method === 'file' ? null : target,
  size,
  end: vaddr + BigInt(size),
});

/** A table that is entered more than once maps its memory where it is first: the kernel repeats one over terabytes (espfix, the shadow of KASAN). */
function* tablePieces(table: PageTable, issues: Issues): Iterable<VirtualPiece> {
  for (const { vaddr, physical, size } of mappings(table, undefined, issues, 'once') as Iterable<Mapping>)
    yield { vaddr, paddr: physical, size };
}

/** What page tables map and what ranges hold as one row; both ascending. */
function* partOf(
  mapped: Iterable<VirtualPiece>,
  ranges: readonly HeldRange[],
  part: KernelPart,
): Iterable<VirtualPiece> {
  const rest = mapped[Symbol.iterator]();
  let next = rest.next();
  /** Takes what is mapped up to `end`; what reaches beyond it stays. */
  function* upTo(end: bigint, wanted: boolean): Iterable<VirtualPiece> {
    while (next.done !== true && next.value.vaddr < end) {
      const piece = next.value;
      const stop = piece.vaddr + BigInt(piece.size);
      if (wanted) yield cut(piece, piece.vaddr, stop < end ? stop : end);
      if (stop > end) next = { done: false, value: cut(piece, end, stop) };
      else next = rest.next();
    }
  }
  for (const range of ranges) {
    yield* upTo(range.vaddr, part !== 'linear');
    const told = next.done !== true && next.value.vaddr < range.end;
    if (told) yield* upTo(range.end, part !== 'tables');
    else if (part !== 'tables') yield range;
  }
  if (part === 'linear') return;
  if (next.done !== true) yield next.value;
  for (next = rest.next(); next.done !== true; next = rest.next()) yield next.value;
}

function* within(pieces: Iterable<VirtualPiece>, { from, to }: VirtualRange): Iterable<VirtualPiece> {
  for (const piece of pieces) {
    const end = piece.vaddr + BigInt(piece.size);
    if (end <= from) continue;
    if (piece.vaddr >= to) return;
    yield cut(piece, piece.vaddr < from ? from : piece.vaddr, end > to ? to : end);
  }
}

function cut({ vaddr, paddr }: VirtualPiece, from: bigint, to: bigint): VirtualPiece {
  return { vaddr: from, paddr: paddr === null ? null : paddr + Number(from - vaddr), size: Number(to - from) };
}

/** Pieces that follow each other in both spaces become one, so that memory is read in large blocks. */
function* joined(pieces: Iterable<VirtualPiece>): Iterable<VirtualPiece> {
  let row: VirtualPiece[] = [];
  for (const piece of pieces) {
    const [last] = row;
    if (last === undefined) row = [piece];
    else if (goesOn(last, piece)) row = [{ vaddr: last.vaddr, paddr: last.paddr, size: last.size + piece.size }];
    else {
      yield last;
      row = [piece];
    }
  }
  yield* row;
}

const goesOn = (last: VirtualPiece, { vaddr, paddr }: VirtualPiece): boolean =>
  last.paddr !== null && paddr === last.paddr + last.size && vaddr === last.vaddr + BigInt(last.size);
