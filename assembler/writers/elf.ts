// An ELF core: headers and notes first (elf-core.ts lays them out), then all memory that is there, end to end, in ascending order. Segments point into it,
// so memory that two of them cover is stored once. Pages of zeros are holes of the file.
import type { AddressRange, ByteSink, VirtualMemory } from 'kdumpling/reader';
import { type ElfKind, NO_PADDR, type ProgramHeader, PT_LOAD } from 'kdumpling/reader/formats/elf';
import { type CoreDescription, type CoreLayout, type CoreSegment, layoutCore } from 'kdumpling/reader/formats/elf-core';
import type { ByteRange } from 'kdumpling/reader/formats/real-bytes';
import type { OutputNotes } from '../output-notes.js';
import type { DumpPlan } from '../plan.js';
import { ZeroTest } from '../zero-pages.js';
import { coreSegments } from './core-segments.js';
import { SparseOutput } from './sparse.js';
import type { DumpWriter } from './writer.js';

export interface ElfDescription extends ElfKind {
  readonly machine: number;
  readonly osabi: number;
  readonly flags: number;
  readonly entry: bigint;
  readonly notes: OutputNotes;
  /** The source's program headers; [] where it has none. */
  readonly segments: readonly ProgramHeader[];
  /** The linear and image maps; asked for only where the source has no program headers. */
  readonly maps: () => readonly AddressRange[];
  /** Reads segments that have no physical address. */
  readonly virtual: () => VirtualMemory;
}

const BLOCK = 65536;
/** Keeps words aligned. */
const NOT_A_PAGE = 16;

export class ElfWriter implements DumpWriter {
  /** What could not be decoded: these bytes are holes of the file now, so a core that has any must be written again without them. */
  readonly lostRanges: ByteRange[] = [];
  readonly #plan: DumpPlan;
  readonly #elf: ElfDescription;
  readonly #output: SparseOutput;
  readonly #virtualOnly: readonly CoreSegment[];
  #range = 0;

  constructor(plan: DumpPlan, elf: ElfDescription, sink: ByteSink) {
    this.#plan = plan;
    this.#elf = elf;
    this.#virtualOnly = virtualSegments(plan, elf);
    const segments = coreSegments(plan, elf.segments, elf.maps);
    for (const segment of this.#virtualOnly) segments.push(segment);
    const core = {
      bits: elf.bits,
      littleEndian: elf.littleEndian,
      machine: elf.machine,
      osabi: elf.osabi,
      flags: elf.flags,
      entry: elf.entry,
      notesSize: elf.notes.size,
      segments,
    };
    const layout =
      plan.excluded.length > 0 ? unaligned(core, plan.pageSize) : layoutCore({ ...core, payloadAlign: plan.pageSize });
    sink.write(layout.header);
    pad(sink, layout.notesOffset);
    elf.notes.write(sink);
    pad(sink, layout.payloadOffset);
    this.#output = new SparseOutput(sink, new ZeroTest());
  }

  #to(paddr: number): void {
    const { present } = this.#plan;
    while (this.#range < present.length - 1 && present.ends[this.#range] <= paddr) this.#range++;
    this.#output.to(present.values[this.#range] + (paddr - present.starts[this.#range]));
  }

  data(paddr: number, bytes: Uint8Array): void {
    this.#to(paddr);
    this.#output.write(bytes);
  }

  zero(): void {}

  lost(paddr: number, length: number): void {
    this.lostRanges.push({ start: paddr, end: paddr + length });
  }

  finish(): void {
    this.#output.to(this.#plan.presentBytes);
    const block = new Uint8Array(BLOCK);
    for (const { vaddr, filesz, payloadAt } of this.#virtualOnly) {
      this.#output.to(payloadAt ?? 0);
      for (let at = 0; at < filesz; at += BLOCK) {
        const part = block.subarray(0, Math.min(BLOCK, filesz - at));
        this.#elf.virtual().read(vaddr + BigInt(at), part);
        this.#output.write(part);
      }
    }
    // A file that ends in a hole has its length all the same.
    const last = this.#virtualOnly[this.#virtualOnly.length - 1];
    if (last !== undefined) this.#output.to((last.payloadAt ?? 0) + last.filesz);
  }
}

/**
 * makedumpfile 1.7 maps payloads that begin on pages of the file, and dies of unmapping twice where it reads a page behind p_filesz. Its own filtered cores lie as it
 * happens, so it reads those that do.
 */
function unaligned(core: CoreDescription, pageSize: number): CoreLayout {
  const layout = layoutCore(core);
  if (layout.payloadOffset % pageSize !== 0) return layout;
  return layoutCore({ ...core, payloadOffset: layout.payloadOffset + NOT_A_PAGE });
}

function pad(sink: ByteSink, offset: number): void {
  if (offset > sink.position) sink.write(new Uint8Array(offset - sink.position));
}

/** PT_LOADs without a physical address: their payload follows that of memory. */
function virtualSegments(plan: DumpPlan, elf: ElfDescription): CoreSegment[] {
  let payloadAt = plan.presentBytes;
  const segments: CoreSegment[] = [];
  for (const { type, paddr, vaddr, filesz, memsz, flags } of elf.segments) {
    if (type !== PT_LOAD || paddr !== NO_PADDR) continue;
    const there = readable(elf.virtual(), vaddr, filesz);
    segments.push({ vaddr, paddr, filesz: there, memsz: there === filesz ? memsz : there, flags, align: 0, payloadAt });
    payloadAt += there;
  }
  return segments;
}

/** How much of a segment is there: all of it, or what a file cut short has of it. */
function readable(memory: VirtualMemory, vaddr: bigint, length: number): number {
  let there = 0;
  let end = length;
  if (length > 0 && memory.locate(vaddr + BigInt(length - 1), 1) >= 0) return length;
  while (there < end) {
    const middle = Math.ceil((there + end) / 2);
    if (memory.locate(vaddr + BigInt(middle - 1), 1) >= 0) there = middle;
    else end = middle - 1;
  }
  return there;
}
