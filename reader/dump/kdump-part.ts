// One file of a kdump-compressed dump: which frames it has, where their page descriptors are, and what it lacks at its end. Source: makedumpfile 1.7 diskdump_mod.h and IMPLEMENTATION; crash
// diskdump.c for split sets.
import type { CodecName } from '../codecs/codec.js';
import { hex } from '../fault.js';
import {
  DUMP_DH_COMPRESSED_LZO,
  DUMP_DH_COMPRESSED_SNAPPY,
  DUMP_DH_COMPRESSED_ZLIB,
  DUMP_DH_COMPRESSED_ZSTD,
  PAGE_DESCRIPTOR_SIZE,
} from '../formats/diskdump.js';
import type { MemoryState } from '../memory.js';
import type { ByteSource } from '../source.js';
import type { FrameBitmap } from './frame-bitmap.js';
import { PageData, PageDescriptors } from './page-descriptors.js';

const CODEC_FLAGS: readonly (readonly [number, CodecName])[] = [
  [DUMP_DH_COMPRESSED_ZLIB, 'zlib'],
  [DUMP_DH_COMPRESSED_LZO, 'lzo'],
  [DUMP_DH_COMPRESSED_SNAPPY, 'snappy'],
  [DUMP_DH_COMPRESSED_ZSTD, 'zstd'],
];
/** All flags that name a codec. */
export const ANY_CODEC = CODEC_FLAGS.reduce((all, [flag]) => all | flag, 0);

/** The codecs that flags of a header or a page descriptor name. */
export function codecsOf(flags: number): CodecName[] {
  return CODEC_FLAGS.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

/** One file of the dump; a whole dump is one part with all frames. */
export interface KdumpPart {
  readonly source: ByteSource;
  readonly littleEndian: boolean;
  /** Frames that exist, and those that were dumped. */
  readonly exists: FrameBitmap;
  readonly dumped: FrameBitmap;
  /** The frames whose pages are in this file: startPfn up to, not including, endPfn. */
  readonly startPfn: number;
  readonly endPfn: number;
  /** Where the page descriptors begin. */
  readonly descriptorsAt: number;
  /** The writer says that it ran out of space. */
  readonly incomplete: boolean;
}

/** How many pages at the end of a file are passed over that share their bytes: 4 GiB of zeros. */
const MOST_SHARED = 1 << 20;

/** A part with what is needed to read it. */
export class Part {
  readonly part: KdumpPart;
  readonly descriptors: PageDescriptors;
  readonly data: PageData;
  #firstRank = -1;
  #zeroPage = -1;
  /** The dumped frame last asked for, and its index. */
  #lastPfn = -1;
  #lastIndex = -1;
  #cutShort: string | null | undefined;

  constructor(part: KdumpPart, blockSize: number) {
    this.part = part;
    this.descriptors = new PageDescriptors(part.source, part.littleEndian, part.descriptorsAt);
    this.data = new PageData(part.source, blockSize);
  }

  /** The file ends before a dumped frame's descriptor, and so before those of all later frames: none of them needs to be looked at. */
  isBehindFile(pfn: number): boolean {
    return !this.descriptors.fetch(this.index(pfn));
  }

  /** The index of a dumped frame's descriptor. */
  index(pfn: number): number {
    this.#lastIndex = pfn === this.#lastPfn + 1 && this.#lastPfn >= 0 ? this.#lastIndex + 1 : this.#countTo(pfn);
    this.#lastPfn = pfn;
    return this.#lastIndex;
  }

  /** How many pages the file should hold. */
  get pages(): number {
    return this.#countTo(this.part.endPfn);
  }

  #countTo(pfn: number): number {
    if (this.#firstRank < 0) this.#firstRank = this.part.dumped.rank(this.part.startPfn);
    return this.part.dumped.rank(pfn) - this.#firstRank;
  }

  /**
   * What the file lacks at its end, by the descriptor of its last page that is not one of many which share their bytes (zeros, written first); null if it
   * lacks nothing.
   */
  cutShort(): string | null {
    if (this.#cutShort === undefined) this.#cutShort = this.#lacks();
    return this.#cutShort;
  }

  #lacks(): string | null {
    const { pages, descriptors } = this;
    const { size: fileSize } = this.part.source;
    if (pages <= 0) return null;
    if (!descriptors.fetch(pages - 1)) return `the last of its ${pages} page descriptors lie behind its end`;
    const shared = descriptors.offset;
    if (shared === 0 && descriptors.size === 0) return 'its last pages were never written';
    const isInFile = () => descriptors.offset + descriptors.size <= fileSize;
    for (let i = pages - 2; isInFile() && descriptors.offset === shared && i >= 0 && pages - i < MOST_SHARED; i--)
      descriptors.fetch(i);
    return isInFile() ? null : `page data at file offset ${hex(descriptors.offset)} lies behind its end`;
  }

  /** How many pages have their descriptor and their bytes inside the file. */
  pagesInFile(): number {
    const { pages, descriptors } = this;
    const { size: fileSize } = this.part.source;
    let inside = 0;
    for (let index = 0; index < pages && descriptors.fetch(index); index++) {
      const { offset, size } = descriptors;
      if ((offset !== 0 || size !== 0) && offset + size <= fileSize) inside++;
    }
    return inside;
  }

  /**
   * Offset of the page that all zero pages share, 0 if there is none: writers put it first, directly behind the descriptors. A part of a split set has
   * room for the descriptors of all parts.
   */
  zeroPage(blockSize: number): number {
    if (this.#zeroPage < 0) {
      const { source, descriptorsAt, dumped } = this.part;
      const page = new Uint8Array(blockSize);
      const isZeros = (offset: number) => source.read(offset, page) === blockSize && page.every(byte => byte === 0);
      const ends = [dumped.count, this.pages].map(count => descriptorsAt + count * PAGE_DESCRIPTOR_SIZE);
      this.#zeroPage = ends.find(isZeros) ?? 0;
    }
    return this.#zeroPage;
  }
}

/** What the bitmaps say of a frame whose descriptor, if it has one, lies behind the file's end. */
export function stateBehindFile(pfn: number, { dumped, exists }: KdumpPart): MemoryState {
  if (dumped.has(pfn)) return 'truncated';
  return exists.has(pfn) ? 'excluded' : 'hole';
}
