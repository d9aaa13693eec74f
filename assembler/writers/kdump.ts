// The kdump-compressed format, header version 6, as makedumpfile 1.7 writes it (write_kdump_header, write_kdump_bitmap, write_kdump_pages). Headers and
// bitmaps follow from the plan and go first; descriptors are patched into the room left for them, a block at a time, while
// pages are appended. Pages of zeros share one.
import { alignUp, type ByteSink, InputError } from 'kdumpling/reader';
import type { PageCompressor } from 'kdumpling/reader/codecs';
import {
  type DiskdumpHeader,
  type DiskdumpKind,
  type DiskdumpSubHeader,
  DUMP_DH_COMPRESSED_INCOMPLETE,
  diskdumpSubHeaderSize,
  encodeDiskdumpHeader,
  encodeDiskdumpSubHeader,
  encodePageDescriptor,
  NEWEST_HEADER_VERSION,
  PAGE_DESCRIPTOR_SIZE,
  type Utsname,
} from 'kdumpling/reader/formats/diskdump';
import type { OutputNotes } from '../output-notes.js';
import type { DumpPlan, PageRanges } from '../plan.js';
import { ZeroTest } from '../zero-pages.js';
import { kdumpPages, writeBitmap } from './kdump-bitmap.js';
import type { DumpWriter } from './writer.js';

export interface KdumpDescription extends DiskdumpKind {
  readonly utsname: Utsname;
  readonly seconds: bigint;
  readonly microseconds: bigint;
  readonly physBase: bigint;
  readonly dumpLevel: number;
  readonly currentCpu: number;
  readonly cpus: number;
  readonly notes: OutputNotes;
  readonly eraseinfo: Uint8Array | null;
  /** Null for pages as they are. */
  readonly compressor: PageCompressor | null;
  /** The flag of compressed pages; 0 without a compressor. */
  readonly flag: number;
}

const DESCRIPTORS_PER_BLOCK = 2730;
/** A bitmap past this many pages describes no machine there is. */
const MOST_PAGES = 2 ** 40;

export class KdumpWriter implements DumpWriter {
  readonly #sink: ByteSink;
  readonly #kdump: KdumpDescription;
  readonly #pageSize: number;
  readonly #dumped: PageRanges;
  readonly #header: DiskdumpHeader;
  readonly #zeroTest = new ZeroTest();
  readonly #compressed: Uint8Array;
  /** The page that is put together from parts. */
  readonly #page: Uint8Array;
  #pagePfn = -1;
  #pageLost = false;
  /** The next dumped frame without a descriptor: a range of `#dumped` and the frame in it. */
  #range = 0;
  #next = 0;
  readonly #descriptors = new Uint8Array(DESCRIPTORS_PER_BLOCK * PAGE_DESCRIPTOR_SIZE);
  readonly #view = new DataView(this.#descriptors.buffer);
  #described = 0;
  #descriptorsAt: number;
  /** Where the page that all pages of zeros share is. */
  readonly #zeroAt: number;
  #incomplete = false;

  constructor(plan: DumpPlan, kdump: KdumpDescription, sink: ByteSink) {
    if (plan.endPfn > MOST_PAGES) {
      throw new InputError(
        {
          source: 'kdump output',
          nowhere: 'output',
          record: 'kdump sub header',
          field: 'max_mapnr_64',
          value: plan.endPfn,
        },
        'memory at such an address makes bitmaps larger than any disk',
        'write elf instead',
      );
    }
    this.#sink = sink;
    this.#kdump = kdump;
    this.#pageSize = plan.pageSize;
    this.#compressed = new Uint8Array(plan.pageSize);
    this.#page = new Uint8Array(plan.pageSize);
    const { dumped, existing } = kdumpPages(plan);
    this.#dumped = dumped;
    this.#next = dumped.starts[0] ?? 0;
    const bitmapSize = alignUp(Math.ceil(plan.endPfn / 8), plan.pageSize);
    this.#header = this.#writeHeaders(plan, bitmapSize);
    writeBitmap(sink, existing, bitmapSize);
    writeBitmap(sink, dumped, bitmapSize);
    this.#descriptorsAt = sink.position;
    sink.hole(dumped.pages * PAGE_DESCRIPTOR_SIZE);
    // Where makedumpfile has it, and readers look for it.
    this.#zeroAt = sink.position;
    sink.write(new Uint8Array(plan.pageSize));
  }

  #writeHeaders(plan: DumpPlan, bitmapSize: number): DiskdumpHeader {
    const kdump = this.#kdump;
    const { pageSize } = plan;
    const { vmcoreinfo } = kdump.notes;
    const subSize = diskdumpSubHeaderSize(kdump);
    const notesAt = pageSize + subSize;
    const eraseinfoAt = notesAt + kdump.notes.size;
    const end = eraseinfoAt + (kdump.eraseinfo?.length ?? 0);
    const blocks = Math.ceil((end - pageSize) / pageSize);
    const header: DiskdumpHeader = {
      version: NEWEST_HEADER_VERSION,
      utsname: kdump.utsname,
      seconds: kdump.seconds,
      microseconds: kdump.microseconds,
      status: kdump.flag,
      blockSize: pageSize,
      subHeaderSize: blocks,
      bitmapBlocks: (2 * bitmapSize) / pageSize,
      maxMapnr: Math.min(plan.endPfn, 0xffff_ffff),
      totalRamBlocks: 0,
      deviceBlocks: 0,
      writtenBlocks: 0,
      currentCpu: kdump.currentCpu,
      nrCpus: kdump.cpus,
    };
    const sub: DiskdumpSubHeader = {
      physBase: kdump.physBase,
      dumpLevel: kdump.dumpLevel,
      split: 0,
      startPfn: 0,
      endPfn: 0,
      offsetVmcoreinfo: vmcoreinfo === null ? 0 : notesAt + vmcoreinfo.offset,
      sizeVmcoreinfo: vmcoreinfo?.size ?? 0,
      offsetNote: kdump.notes.size === 0 ? 0 : notesAt,
      sizeNote: kdump.notes.size,
      offsetEraseinfo: kdump.eraseinfo === null ? 0 : eraseinfoAt,
      sizeEraseinfo: kdump.eraseinfo?.length ?? 0,
      maxMapnr: plan.endPfn,
    };
    const sink = this.#sink;
    const start = new Uint8Array(notesAt);
    start.set(encodeDiskdumpHeader(header, kdump));
    start.set(encodeDiskdumpSubHeader(sub, NEWEST_HEADER_VERSION, kdump), pageSize);
    sink.write(start);
    kdump.notes.write(sink);
    if (kdump.eraseinfo !== null) sink.write(kdump.eraseinfo);
    sink.write(new Uint8Array((1 + blocks) * pageSize - end));
    return header;
  }

  data(paddr: number, bytes: Uint8Array): void {
    const size = this.#pageSize;
    let at = 0;
    while (at < bytes.length) {
      const inPage = (paddr + at) % size;
      const pfn = (paddr + at - inPage) / size;
      if (inPage === 0 && bytes.length - at >= size) {
        this.#store(pfn, bytes, at);
        at += size;
        continue;
      }
      const length = Math.min(size - inPage, bytes.length - at);
      this.#compose(pfn);
      this.#page.set(bytes.subarray(at, at + length), inPage);
      at += length;
    }
  }

  zero(paddr: number, length: number): void {
    const size = this.#pageSize;
    const end = paddr + length;
    for (let pfn = Math.floor(paddr / size); pfn * size < end; pfn++) {
      if (pfn * size >= paddr && (pfn + 1) * size <= end) {
        this.#advance(pfn);
        this.#zeroPage();
      } else this.#compose(pfn);
    }
  }

  /** Whole pages are passed over: `#advance` describes them. */
  lost(paddr: number, length: number): void {
    const size = this.#pageSize;
    for (const edge of [paddr, paddr + length]) {
      const pfn = Math.floor(edge / size);
      if (edge === pfn * size) continue;
      this.#compose(pfn);
      this.#pageLost = true;
    }
  }

  finish(): void {
    this.#advance(Number.POSITIVE_INFINITY);
    this.#flushDescriptors();
    if (this.#incomplete) {
      const status = this.#header.status | DUMP_DH_COMPRESSED_INCOMPLETE;
      this.#sink.patch(0, encodeDiskdumpHeader({ ...this.#header, status }, this.#kdump));
    }
  }

  /** Makes `pfn` the page that is put together. */
  #compose(pfn: number): void {
    if (this.#pagePfn === pfn) return;
    this.#advance(pfn);
    this.#pagePfn = pfn;
    this.#pageLost = false;
    this.#page.fill(0);
  }

  /** Ends the page that is put together, and describes every dumped frame before `pfn` that nothing came for as lost. */
  #advance(pfn: number): void {
    const composed = this.#pagePfn;
    if (composed >= 0 && composed < pfn) {
      this.#pagePfn = -1;
      this.#skipTo(composed);
      if (this.#pageLost) this.#skipTo(composed + 1);
      else this.#storePage(this.#page);
    }
    this.#skipTo(pfn);
  }

  /** Descriptors of lost pages are zeros, as makedumpfile leaves those that a full disk kept it from writing: the hole that is there already. */
  #skipTo(pfn: number): void {
    const { starts, ends } = this.#dumped;
    while (this.#range < starts.length && this.#next < pfn) {
      const end = Math.min(ends[this.#range], pfn);
      this.#incomplete = true;
      this.#flushDescriptors();
      this.#descriptorsAt += (end - this.#next) * PAGE_DESCRIPTOR_SIZE;
      this.#moveTo(end);
    }
  }

  /** `pfn` of the range at hand, or its end, is next. */
  #moveTo(pfn: number): void {
    this.#next = pfn;
    if (pfn < this.#dumped.ends[this.#range]) return;
    this.#range++;
    this.#next = this.#dumped.starts[this.#range] ?? 0;
  }

  #store(pfn: number, bytes: Uint8Array, at: number): void {
    this.#advance(pfn);
    if (this.#zeroTest.isZero(bytes, at, this.#pageSize)) this.#zeroPage();
    else this.#storeData(bytes.subarray(at, at + this.#pageSize));
  }

  #storePage(page: Uint8Array): void {
    if (this.#zeroTest.isZero(page, 0, page.length)) this.#zeroPage();
    else this.#storeData(page);
  }

  #storeData(page: Uint8Array): void {
    const { compressor, flag } = this.#kdump;
    const offset = this.#sink.position;
    const size = compressor === null ? -1 : compressor.compress(page, this.#compressed);
    if (size >= 0 && size < page.length) {
      this.#sink.write(this.#compressed.subarray(0, size));
      this.#describe(offset, size, flag);
    } else {
      this.#sink.write(page);
      this.#describe(offset, page.length, 0);
    }
  }

  #zeroPage(): void {
    this.#describe(this.#zeroAt, this.#pageSize, 0);
  }

  #describe(offset: number, size: number, flags: number): void {
    const at = this.#described * PAGE_DESCRIPTOR_SIZE;
    encodePageDescriptor(this.#view, at, this.#kdump.littleEndian, offset, size, flags);
    this.#described++;
    if (this.#described === DESCRIPTORS_PER_BLOCK) this.#flushDescriptors();
    this.#moveTo(this.#next + 1);
  }

  #flushDescriptors(): void {
    if (this.#described === 0) return;
    const length = this.#described * PAGE_DESCRIPTOR_SIZE;
    this.#sink.patch(this.#descriptorsAt, this.#descriptors.subarray(0, length));
    this.#descriptorsAt += length;
    this.#described = 0;
  }
}
