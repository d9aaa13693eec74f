// A blob: what firmware wrote of one region, or the memory that a table entry names. What is known of it before it has a place, and what
// its content tells. Content tests: kernel/vmcore_info.c (VMCOREINFO begins with OSRELEASE=), init/version-timestamp.c (linux_banner).
import type { PhysicalMemory } from '../../memory.js';
import type { ByteSource } from '../../source.js';
import { alignUp } from '../../u64.js';

/** Bytes [start, end) of a blob that are there. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Blob {
  /** The file's name as firmware gives it (`md_Kprb22.BIN`); blobs in memory are named by the same rule. */
  readonly name: string;
  /** Null where a list names the blob but the medium lacks it. */
  readonly source: ByteSource | null;
  /** Bytes that are there. */
  readonly size: number;
  /** What the medium's list says of its size, or null. */
  readonly listedSize: number | null;
  /** Whether `size` is known apart from `listedSize`, as a file's is. */
  readonly sizeIsMeasured: boolean;
  readonly paddr: number | null;
  /** Who tells the address: `dump_info.txt`, `load.cmm`, `section table`, `region table`; '' for nobody. */
  readonly from: string;
  /** A second address that another list of the medium gives, where it differs. */
  readonly otherPaddr: number | null;
  /** False where the table says that the region is not to be dumped. */
  readonly valid: boolean;
  /** True where the medium has a list that does not name this blob. */
  readonly loose: boolean;
  /** Why what the list says of it cannot be believed: it is left out. Absent otherwise. */
  readonly doubt?: string;
  /** False for an entry behind the list's own count: to be used only where the header names it too. */
  readonly certain: boolean;
  /** What of the first `length` bytes is there. */
  spans(length: number): readonly Span[];
}

/** Sizes that are equal once rounded up to the 4 bytes that tables and headers may have rounded them to. */
export const sameSize = (a: number, b: number): boolean => a === b || alignUp(a, 4) === alignUp(b, 4);

/** What a region is called, by the name of its blob: of a virtual machine its number stands before it. Null for a name that is none of firmware's. */
export function regionWord(blobName: string): string | null {
  return /^md_(?:[0-9a-f]{1,2}_)?(.+)\.bin$/i.exec(blobName)?.[1] ?? null;
}

/** All of a source's bytes are there. */
export const wholeSpans =
  (size: number) =>
  (length: number): readonly Span[] => {
    const end = Math.min(size, length);
    return end > 0 ? [{ start: 0, end }] : [];
  };

/** The most stretches that one region of memory is read in. */
const MOST_SPANS = 65536;

/** Memory as a source: a region at its physical address. Reading what memory lacks throws MemoryFault. */
export class MemoryRegionSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize = 65536;
  readonly #memory: PhysicalMemory;
  readonly #paddr: number;

  constructor(memory: PhysicalMemory, paddr: number, size: number, name: string) {
    this.#memory = memory;
    this.#paddr = paddr;
    this.size = size;
    this.name = name;
  }

  read(offset: number, into: Uint8Array): number {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    this.#memory.read(this.#paddr + offset, length === into.length ? into : into.subarray(0, length));
    return length;
  }

  /** Which of the first `length` bytes memory has. */
  spans(length: number): Span[] {
    const from = this.#paddr;
    const to = Math.min(from + Math.min(length, this.size), this.#memory.bounds.end);
    const spans: Span[] = [];
    if (to <= from) return spans;
    for (const { start, end, state } of this.#memory.runs(from, to)) {
      if (state !== 'data' && state !== 'zero') continue;
      const last = spans[spans.length - 1];
      if (last !== undefined && last.end === start - from) spans[spans.length - 1] = { ...last, end: end - from };
      else if (spans.length < MOST_SPANS) spans.push({ start: start - from, end: end - from });
      else break;
    }
    return spans;
  }

  close(): void {}
}

/** The first bytes of a blob: fewer than asked where it is shorter or memory lacks them. */
export function head(blob: Blob, length: number): Uint8Array<ArrayBuffer> {
  if (blob.source === null) return new Uint8Array(0);
  const first = blob.spans(Math.min(length, blob.size))[0];
  if (first === undefined || first.start > 0) return new Uint8Array(0);
  const bytes = new Uint8Array(first.end);
  return bytes.subarray(0, blob.source.read(0, bytes));
}

export function beginsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}

/** A VMCOREINFO text begins with its release. */
export const isVmcoreinfo = (bytes: Uint8Array): boolean => beginsWith(bytes, 'OSRELEASE=');
export const isBanner = (bytes: Uint8Array): boolean => beginsWith(bytes, 'Linux version ');

const COMPARE_BLOCK = 1 << 18;

/** Whether the first `length` bytes of two sources are equal. */
export function sameBytes(a: ByteSource, b: ByteSource, length: number): boolean {
  const one = new Uint8Array(Math.min(length, COMPARE_BLOCK));
  const two = new Uint8Array(one.length);
  for (let at = 0; at < length; at += one.length) {
    const want = Math.min(one.length, length - at);
    const left = one.subarray(0, want);
    const right = two.subarray(0, want);
    if (a.read(at, left) < want || b.read(at, right) < want) return false;
    for (let i = 0; i < want; i++) if (left[i] !== right[i]) return false;
  }
  return true;
}
