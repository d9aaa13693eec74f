// Holds one memory against another: the proof that what went through a dump and its assembly came back as it was.
import type { PhysicalMemory, VirtualMemory } from 'kdumpling/reader';

/** Bytes that both sides must have. */
export interface ComparedRange {
  readonly name: string;
  readonly paddr: number;
  /** Looked up in the second side's virtual memory; null: by physical address alone. */
  readonly vaddr: bigint | null;
  readonly size: number;
}

export interface Difference {
  readonly name: string;
  /** Bytes from the range's start. */
  readonly offset: number;
  readonly by: 'physical' | 'virtual';
  readonly expected: number;
  readonly found: number;
}

const AT_ONCE = 1 << 16;

/**
 * The first byte of `ranges` that differs, or null. What either side cannot read is no difference but a fault.
 * @throws MemoryFault
 */
export function firstDifference(
  expected: { readonly physical: PhysicalMemory },
  found: { readonly physical: PhysicalMemory; readonly virtual: VirtualMemory },
  ranges: Iterable<ComparedRange>,
): Difference | null {
  const wanted = new Uint8Array(AT_ONCE);
  const got = new Uint8Array(AT_ONCE);
  for (const { name, paddr, vaddr, size } of ranges) {
    for (let at = 0; at < size; at += AT_ONCE) {
      const length = Math.min(AT_ONCE, size - at);
      const here = wanted.subarray(0, length);
      const there = got.subarray(0, length);
      expected.physical.read(paddr + at, here);
      found.physical.read(paddr + at, there);
      let i = unequal(here, there);
      if (i >= 0) return { name, offset: at + i, by: 'physical', expected: here[i], found: there[i] };
      if (vaddr === null) continue;
      found.virtual.read(vaddr + BigInt(at), there);
      i = unequal(here, there);
      if (i >= 0) return { name, offset: at + i, by: 'virtual', expected: here[i], found: there[i] };
    }
  }
  return null;
}

function unequal(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
