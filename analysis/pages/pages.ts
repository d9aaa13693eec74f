// struct pages by frame number: what slab, page filtering and every pass over the memory map stand on. Nothing is allocated for a page; the memory map is read in windows, large
// ones where frames are asked for in order. Source: include/linux/page-flags.h, include/linux/mm.h (2.6.24 to 7.3).
import { type FaultRecord, HIGH, halves, LOW, splitU64 } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { PageLayout } from './layout.js';
import { type MemoryMap, memoryMap } from './memory-map.js';
import { PAGE_TYPE_BUDDY, PAGE_TYPE_HUGETLB, PAGE_TYPE_NONE, PAGE_TYPE_SLAB } from './page-types.js';
import type { MapPiece } from './sections.js';

/** Bytes of the memory map that are read together: where frames are asked for in order, and elsewhere. */
const LARGE = 1 << 18;
const SMALL = 4096;
/** MAX_PAGE_ORDER and gigantic pages: no compound page has more frames. */
const MOST_ORDER = 30;

/** The pieces of a memory map by the addresses where they begin. */
class AddressOrder {
  readonly pieces: readonly MapPiece[];
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;

  constructor(pieces: readonly MapPiece[], size: number, bits: number) {
    const started = pieces.map(piece => ({
      piece,
      start: BigInt.asUintN(bits, piece.base + BigInt(piece.startPfn) * BigInt(size)),
    }));
    started.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    this.pieces = started.map(({ piece }) => piece);
    this.highs = new Uint32Array(started.length);
    this.lows = new Uint32Array(started.length);
    for (const [i, { start }] of started.entries()) {
      splitU64(start);
      this.highs[i] = halves[HIGH];
      this.lows[i] = halves[LOW];
    }
  }
}

/**
 * A window on the memory map. Every method takes the number of a page frame; those that read throw MemoryFault where the frame has no struct page, or the dump lacks it: `has` asks first.
 * One that goes through frames in order and another that jumps about should be two.
 */
export class Pages {
  readonly kernel: Kernel;
  readonly map: MemoryMap;
  readonly layout: PageLayout;
  /** The fault of the last `has` that was false. */
  readonly fault: FaultRecord;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #wide: boolean;
  readonly #size: number;
  /** Frames [start, end) are in the window, the first at its beginning. */
  #start = 0;
  #end = 0;
  /** Frames of the last stretch that could not be read. */
  #lostStart = 0;
  #lostEnd = 0;
  #piece = 0;
  readonly #starts: AddressOrder;

  /** @throws Missing, MemoryFault */
  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.map = memoryMap(kernel);
    this.layout = this.map.layout;
    this.fault = kernel.memory.fault;
    this.#bytes = new Uint8Array(LARGE);
    this.#view = new DataView(this.#bytes.buffer);
    this.#little = kernel.memory.littleEndian;
    this.#wide = kernel.memory.pointerSize === 8;
    this.#size = this.layout.size;
    this.#starts = new AddressOrder(this.map.pieces, this.#size, this.#wide ? 64 : 32);
  }

  /** Whether the frame's struct page can be read. */
  has(pfn: number): boolean {
    return (pfn >= this.#start && pfn < this.#end) || this.#load(pfn);
  }

  #at(pfn: number): number {
    if (!this.has(pfn)) throw this.fault.toError();
    return (pfn - this.#start) * this.#size;
  }

  #u32(pfn: number, offset: number): number {
    return this.#view.getUint32(this.#at(pfn) + offset, this.#little);
  }

  /** The low 32 bits of an unsigned long. */
  #low(pfn: number, offset: number): number {
    return this.#u32(pfn, this.#wide && !this.#little ? offset + 4 : offset);
  }

  /** The high 32 bits of an unsigned long; 0 on 32-bit machines. */
  #high(pfn: number, offset: number): number {
    return this.#wide ? this.#u32(pfn, this.#little ? offset + 4 : offset) : 0;
  }

  #word(pfn: number, offset: number): bigint {
    const at = this.#at(pfn) + offset;
    return this.#wide ? this.#view.getBigUint64(at, this.#little) : BigInt(this.#view.getUint32(at, this.#little));
  }

  #load(pfn: number): boolean {
    if (pfn >= this.#lostStart && pfn < this.#lostEnd) return false;
    const piece = this.#pieceOf(pfn);
    if (piece === null) {
      this.#lostStart = pfn;
      this.#lostEnd = pfn + 1;
      this.fault.set('virtual', 0n, this.#size, 'not-present', `frame ${pfn} has no struct page`);
      return false;
    }
    if (pfn === this.#end && this.#read(piece, pfn, Math.floor(LARGE / this.#size))) return true;
    const count = Math.floor(SMALL / this.#size);
    const first = Math.max(piece.startPfn, pfn - (pfn % count));
    if (this.#read(piece, first, count - (first % count))) return true;
    // A piece of the map may end within a page of it, and the dump may lack the rest.
    if (this.#read(piece, pfn, 1)) return true;
    this.#lostStart = pfn;
    this.#lostEnd = pfn + 1;
    return false;
  }

  #read(piece: MapPiece, first: number, most: number): boolean {
    const count = Math.min(most, piece.endPfn - first);
    const length = count * this.#size;
    const address = this.#address(piece, first);
    const { memory } = this.kernel;
    for (let done = 0; done < length; done += SMALL) {
      // `locate` tells why without throwing; its bytes are then in the cache of what `read` takes whole.
      const part = Math.min(SMALL, length - done);
      const at = memory.locate(address + BigInt(done), part);
      if (at < 0) {
        if (done < this.#size) return false;
        return this.#keep(first, Math.floor(done / this.#size));
      }
      this.#bytes.set(memory.arena.subarray(at, at + part), done);
    }
    return this.#keep(first, count);
  }

  #keep(first: number, count: number): true {
    this.#start = first;
    this.#end = first + count;
    return true;
  }

  #address(piece: MapPiece, pfn: number): bigint {
    return BigInt.asUintN(this.#wide ? 64 : 32, piece.base + BigInt(pfn) * BigInt(this.#size));
  }

  #pieceOf(pfn: number): MapPiece | null {
    const { pieces } = this.map;
    const last = pieces[this.#piece];
    if (last !== undefined && pfn >= last.startPfn && pfn < last.endPfn) return last;
    let from = 0;
    let to = pieces.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (pieces[middle].endPfn <= pfn) from = middle + 1;
      else to = middle;
    }
    if (from === pieces.length || pfn < pieces[from].startPfn) return null;
    this.#piece = from;
    return pieces[from];
  }

  /** Where the frame's struct page lies; null where it has none. */
  address(pfn: number): bigint | null {
    const piece = this.#pieceOf(pfn);
    return piece === null ? null : this.#address(piece, pfn);
  }

  /** The frame whose struct page begins at an address, or -1. */
  pfnOf(address: bigint): number {
    splitU64(address);
    return this.#frameAt(halves[HIGH], halves[LOW]);
  }

  /** Addresses in halves: a pointer out of a struct page costs no bigint. */
  #frameAt(addressHigh: number, addressLow: number): number {
    const { highs, lows, pieces } = this.#starts;
    let from = 0;
    let to = highs.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (highs[middle] < addressHigh || (highs[middle] === addressHigh && lows[middle] <= addressLow))
        from = middle + 1;
      else to = middle;
    }
    if (from === 0) return -1;
    const { startPfn, endPfn } = pieces[from - 1];
    const distance = (addressHigh - highs[from - 1]) * 0x1_0000_0000 + (addressLow - lows[from - 1]);
    const pfn = startPfn + distance / this.#size;
    return pfn < endPfn && Number.isInteger(pfn) ? pfn : -1;
  }

  /** The low 32 bits of page.flags, where the flags of all releases are that VMCOREINFO tells of. */
  flags(pfn: number): number {
    return this.#low(pfn, this.layout.flags);
  }

  /** The high 32 bits; 0 on 32-bit machines. */
  flagsHigh(pfn: number): number {
    return this.#high(pfn, this.layout.flags);
  }

  flagsWord(pfn: number): bigint {
    return this.#word(pfn, this.layout.flags);
  }

  refcount(pfn: number): number {
    return this.#u32(pfn, this.layout.refcount) | 0;
  }

  /** The word of _mapcount and page_type, signed; -1 where this kernel has none. */
  mapcountWord(pfn: number): number {
    const { mapcount } = this.layout;
    return mapcount === null ? -1 : this.#u32(pfn, mapcount) | 0;
  }

  /** A position in PAGE_TYPES, or PAGE_TYPE_NONE. */
  type(pfn: number): number {
    return this.layout.types.of(this.mapcountWord(pfn));
  }

  /** How many page tables map the page, by its own counter; 0 for what has a type. */
  mapcount(pfn: number): number {
    const word = this.mapcountWord(pfn);
    return this.layout.types.of(word) === PAGE_TYPE_NONE ? word + 1 : 0;
  }

  mapping(pfn: number): bigint {
    return this.#word(pfn, this.layout.mapping);
  }

  /** The low 32 bits of page.mapping: bit 0 marks anonymous memory. */
  mappingLow(pfn: number): number {
    return this.#low(pfn, this.layout.mapping);
  }

  /** page.private, or -1 where it is above 2^32 or this kernel tells nothing of it. */
  private(pfn: number): number {
    const offset = this.layout.private;
    return offset === null || this.#high(pfn, offset) !== 0 ? -1 : this.#low(pfn, offset);
  }

  /** An unsigned long of the struct page: what other structures lay over it (struct slab, the first tail page). */
  word(pfn: number, offset: number): bigint {
    return this.#word(pfn, offset);
  }

  byte(pfn: number, offset: number): number {
    return this.#bytes[this.#at(pfn) + offset];
  }

  short(pfn: number, offset: number): number {
    return this.#view.getUint16(this.#at(pfn) + offset, this.#little);
  }

  isHead(pfn: number): boolean {
    const { headBit } = this.layout;
    return headBit !== null && (this.flags(pfn) & (1 << headBit)) !== 0 && !this.isTail(pfn);
  }

  isTail(pfn: number): boolean {
    const { form, offset, flagMask } = this.layout.tail;
    if (form === 'none') return false;
    if (form === 'first-page') return flagMask !== 0 && (this.flags(pfn) & flagMask) === flagMask;
    return (this.#low(pfn, offset) & 1) !== 0;
  }

  /** The first frame of the compound page that `pfn` is in: `pfn` itself where it is in none; -1 where what is said of it cannot be. */
  head(pfn: number): number {
    if (!this.isTail(pfn)) return pfn;
    const { form, offset } = this.layout.tail;
    const wordHigh = this.#high(pfn, offset);
    const wordLow = this.#low(pfn, offset);
    const head =
      form === 'mask' && wordHigh === 0xffff_ffff
        ? this.#masked(pfn, wordLow)
        : this.#frameAt(wordHigh, (wordLow & ~1) >>> 0);
    return head >= 0 && head < pfn && pfn - head < 2 ** MOST_ORDER ? head : -1;
  }

  /** page & mask: struct pages of a compound page are aligned to all of them (7.x, HUGETLB_PAGE_OPTIMIZE_VMEMMAP). */
  #masked(pfn: number, maskLow: number): number {
    const span = -(maskLow & ~1) >>> 0 || 0x1_0000_0000;
    const piece = this.#pieceOf(pfn);
    if (piece === null || (span & (span - 1)) !== 0) return -1;
    splitU64(piece.base);
    const into = ((halves[LOW] % span) + pfn * this.#size) % span;
    return pfn - into / this.#size;
  }

  /** Whether the kernel's slab allocator has the page; only the head of a compound page says so. */
  isSlab(pfn: number): boolean {
    const { slabBit, types } = this.layout;
    if (slabBit !== null && (this.flags(pfn) & (1 << slabBit)) !== 0) return true;
    return types.of(this.mapcountWord(pfn)) === PAGE_TYPE_SLAB;
  }

  /** The first frame of a free block of the buddy allocator; `private` is its order. */
  isBuddy(pfn: number): boolean {
    const { buddyBit } = this.layout;
    if (buddyBit !== null) return (this.flags(pfn) & (1 << buddyBit)) !== 0;
    return this.type(pfn) === PAGE_TYPE_BUDDY;
  }

  /** Whether a head is that of a hugetlbfs page by its type (6.9 and later); see compound.ts for older kernels. */
  isHugetlbType(pfn: number): boolean {
    return this.type(pfn) === PAGE_TYPE_HUGETLB;
  }
}
