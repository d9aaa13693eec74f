// Where words or text lie: one pass, in ascending order, over physical memory or over what is mapped at virtual addresses, in large blocks.
import type { AddressMap, FaultReason, PhysicalMemory } from 'kdumpling/reader';
import type { SearchPattern } from './pattern.js';
import type { VirtualPiece } from './pieces.js';
import { SearchWindow } from './window.js';

/** @returns false to stop */
export type SearchHit<A extends number | bigint> = (address: A, value: bigint | null) => boolean;

/** Bytes that were to be searched and could not be, by reason; holes (where there never was memory, or devices) are not counted. */
export type Unsearched = Map<FaultReason, number>;

/** Looks through [start, end). */
export function searchPhysical(
  physical: PhysicalMemory,
  pattern: SearchPattern,
  { start, end }: { readonly start: number; readonly end: number },
  hit: SearchHit<number>,
): Unsearched {
  const unsearched: Unsearched = new Map();
  const window = new SearchWindow(pattern, physical.littleEndian, hit);
  // Behind the last byte there is nothing to tell of.
  feedPhysical(physical, start, Math.min(end, physical.bounds.end), unsearched, (paddr, bytes) =>
    window.feed(paddr, bytes),
  );
  return unsearched;
}

/** Positions count from a multiple of this: alignments up to it hold for addresses as for positions. */
const BASE = 1n << 30n;
const LARGEST_READ = 1 << 20;

/** Looks through pieces of virtual memory, in their order; what lies across pieces that follow each other is found too. */
export function searchVirtual(
  memory: AddressMap,
  pattern: SearchPattern,
  pieces: Iterable<VirtualPiece>,
  hit: SearchHit<bigint>,
): Unsearched {
  const unsearched: Unsearched = new Map();
  let base = 0n;
  let next = -1n;
  const window = new SearchWindow(pattern, memory.littleEndian, (position, value) =>
    hit(base + BigInt(position), value),
  );
  for (const { vaddr, paddr, size } of pieces) {
    if (vaddr !== next) {
      base = vaddr - (vaddr % BASE);
      window.cut();
    }
    next = vaddr + BigInt(size);
    const position = Number(vaddr - base);
    const going =
      paddr === null
        ? feedVirtual(memory, vaddr, size, (done, bytes) => window.feed(position + done, bytes))
        : feedPhysical(memory.physical, paddr, paddr + size, unsearched, (at, bytes) =>
            window.feed(position + (at - paddr), bytes),
          );
    if (!going) break;
  }
  return unsearched;
}

/** What is told of memory that is not there, unless the reading of it tells. */
const NOT_READ: readonly FaultReason[] = ['excluded', 'unregistered'];

function feedPhysical(
  physical: PhysicalMemory,
  start: number,
  end: number,
  unsearched: Unsearched,
  feed: (paddr: number, bytes: Uint8Array) => boolean,
): boolean {
  if (start >= end) return true;
  const count = (reason: FaultReason, bytes: number) => unsearched.set(reason, (unsearched.get(reason) ?? 0) + bytes);
  let going = true;
  physical.scan(
    start,
    end,
    (paddr, bytes) => {
      going = feed(paddr, bytes);
      return going;
    },
    ({ reason, length }) => count(reason, Math.min(length, end - start)),
  );
  for (const { start: from, end: to, state } of physical.runs(start, end)) {
    const reason = NOT_READ.find(one => one === state);
    if (reason !== undefined) count(reason, to - from);
  }
  return going;
}

/** Of a core without physical addresses. */
function feedVirtual(
  memory: AddressMap,
  vaddr: bigint,
  size: number,
  feed: (done: number, bytes: Uint8Array) => boolean,
): boolean {
  const buffer = new Uint8Array(Math.min(size, LARGEST_READ));
  for (const { start, end, state } of memory.runs(vaddr, vaddr + BigInt(size))) {
    if (state !== 'data' && state !== 'zero') continue;
    for (let at = start; at < end; at += BigInt(LARGEST_READ)) {
      const bytes = buffer.subarray(0, Math.min(LARGEST_READ, Number(end - at)));
      memory.read(at, bytes);
      if (!feed(Number(at - vaddr), bytes)) return false;
    }
  }
  return true;
}
