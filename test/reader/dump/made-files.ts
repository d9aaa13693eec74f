// Small dump files, byte by byte from the formats' descriptions (System V gABI; makedumpfile diskdump_mod.h and IMPLEMENTATION), with no encoder of the project's; and a
// source that spoils what it was not asked for.
import { deflateSync } from 'node:zlib';
import type { ByteSource } from 'kdumpling/reader';

export const PAGE = 4096;

/** Bytes that tell where they are from: 32-bit words of seed and place. */
export function pattern(seed: number, length = PAGE): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (seed * 37 + (i >> 8) * 11 + i * 3) & 0xff;
  return bytes;
}

/** Fills the whole buffer with rubbish before it reads, and says what was asked. */
export class PoisonSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  reads = 0;
  closed = false;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = 'made', blockSize = 4096) {
    this.#bytes = bytes;
    this.name = name;
    this.size = bytes.length;
    this.blockSize = blockSize;
  }

  read(offset: number, into: Uint8Array): number {
    this.reads++;
    into.fill(0xd5);
    const some = this.#bytes.subarray(offset, offset + into.length);
    into.set(some);
    return some.length;
  }

  close(): void {
    this.closed = true;
  }
}

export interface MadeSegment {
  readonly type?: number;
  readonly vaddr?: bigint;
  readonly paddr: bigint;
  readonly bytes: Uint8Array;
  /** What is claimed in place of the bytes' length. */
  readonly filesz?: number;
  readonly memsz?: bigint;
}

export interface MadeElf {
  readonly bits?: 32 | 64;
  readonly littleEndian?: boolean;
  readonly machine?: number;
  readonly type?: number;
  readonly segments: readonly MadeSegment[];
}

/** Headers in a row, then the segments' bytes in a row. */
export function madeElf({ bits = 64, littleEndian: le = true, machine = 62, type = 4, segments }: MadeElf): Uint8Array {
  const wide = bits === 64;
  const headerSize = wide ? 64 : 52;
  const entrySize = wide ? 56 : 32;
  let offset = headerSize + entrySize * segments.length;
  const file = new Uint8Array(offset + segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, le ? 1 : 2, 1]);
  view.setUint16(16, type, le);
  view.setUint16(18, machine, le);
  view.setUint32(20, 1, le);
  if (wide) view.setBigUint64(32, BigInt(headerSize), le);
  else view.setUint32(28, headerSize, le);
  const halves = wide ? 52 : 40;
  [headerSize, entrySize, segments.length, 0, 0, 0].forEach((half, i) => {
    view.setUint16(halves + 2 * i, half, le);
  });
  segments.forEach((segment, i) => {
    const at = headerSize + i * entrySize;
    const filesz = segment.filesz ?? segment.bytes.length;
    const words = [BigInt(offset), segment.vaddr ?? 0n, segment.paddr, BigInt(filesz), segment.memsz ?? BigInt(filesz)];
    view.setUint32(at, segment.type ?? 1, le);
    words.forEach((word, w) => {
      if (wide) view.setBigUint64(at + 8 + 8 * w, word, le);
      else view.setUint32(at + 4 + 4 * w, Number(BigInt.asUintN(32, word)), le);
    });
    file.set(segment.bytes, offset);
    offset += segment.bytes.length;
  });
  return file;
}

export function madeNote(name: string, type: number, descriptor: Uint8Array, le = true): Uint8Array {
  const nameSize = name.length + 1;
  const padded = (size: number) => Math.ceil(size / 4) * 4;
  const note = new Uint8Array(12 + padded(nameSize) + padded(descriptor.length));
  const view = new DataView(note.buffer);
  view.setUint32(0, nameSize, le);
  view.setUint32(4, descriptor.length, le);
  view.setUint32(8, type, le);
  note.set(Buffer.from(name), 12);
  note.set(descriptor, 12 + padded(nameSize));
  return note;
}

/** A page of a made kdump: its bytes, `zero` for the shared page of zeros, `excluded`, or bytes as stored with their flags. */
export type MadePage = Uint8Array | 'zero' | 'excluded' | { readonly stored: Uint8Array; readonly flags: number };

export interface MadeKdump {
  readonly littleEndian?: boolean;
  readonly frames: number;
  readonly blockSize?: number;
  /** By frame number; frames that are not named do not exist. */
  readonly pages: ReadonlyMap<number, MadePage>;
  readonly status?: number;
  /** Frames from, up to and without. */
  readonly split?: readonly [from: number, to: number];
  readonly machine?: string;
  readonly notes?: Uint8Array;
  readonly vmcoreinfo?: string;
  readonly eraseinfo?: Uint8Array;
}

/** Version 6, 64-bit; pages are compressed with zlib where that helps. A part of a split set has both bitmaps whole and room for all descriptors. */
export function madeKdump(made: MadeKdump): Uint8Array {
  const { littleEndian: le = true, frames, blockSize = PAGE, pages, split } = made;
  const bitmapBlocks = Math.ceil(frames / 8 / blockSize);
  const subBlocks = 3;
  const bitmapsAt = (1 + subBlocks) * blockSize;
  const descriptorsAt = bitmapsAt + 2 * bitmapBlocks * blockSize;
  const head = new Uint8Array(descriptorsAt);
  const view = new DataView(head.buffer);
  head.set(Buffer.from('KDUMP   '));
  view.setUint32(8, 6, le);
  head.set(Buffer.from(made.machine ?? 'x86_64'), 12 + 4 * 65);
  [made.status ?? 1, blockSize, subBlocks, 2 * bitmapBlocks, frames].forEach((word, i) => {
    view.setUint32(424 + 4 * i, word, le);
  });
  view.setUint32(blockSize + 12, split === undefined ? 0 : 1, le);
  const pieces = [
    Buffer.from(made.vmcoreinfo ?? ''),
    made.notes ?? new Uint8Array(0),
    made.eraseinfo ?? new Uint8Array(0),
  ];
  let pieceAt = blockSize + 104;
  pieces.forEach((bytes, i) => {
    view.setBigUint64(blockSize + 32 + 16 * i, BigInt(bytes.length === 0 ? 0 : pieceAt), le);
    view.setBigUint64(blockSize + 40 + 16 * i, BigInt(bytes.length), le);
    head.set(bytes, pieceAt);
    pieceAt += bytes.length;
  });
  [split?.[0] ?? 0, split?.[1] ?? 0, frames].forEach((word, i) => {
    view.setBigUint64(blockSize + 80 + 8 * i, BigInt(word), le);
  });
  for (const [pfn, page] of pages) {
    head[bitmapsAt + (pfn >> 3)] |= 1 << (pfn & 7);
    if (page !== 'excluded') head[bitmapsAt + bitmapBlocks * blockSize + (pfn >> 3)] |= 1 << (pfn & 7);
  }
  return concat([head, ...pageArea(made, blockSize, descriptorsAt)]);
}

/** Descriptors, the shared zero page, the pages of this part. */
function pageArea({ littleEndian: le = true, pages, split }: MadeKdump, blockSize: number, at: number): Uint8Array[] {
  const dumped = [...pages].filter(([, page]) => page !== 'excluded').sort(([a], [b]) => a - b);
  const here = dumped.filter(([pfn]) => split === undefined || (pfn >= split[0] && pfn < split[1]));
  const descriptors = new Uint8Array(24 * dumped.length);
  const view = new DataView(descriptors.buffer);
  const zeroAt = at + descriptors.length;
  const data: Uint8Array[] = [new Uint8Array(blockSize)];
  let next = zeroAt + blockSize;
  here.forEach(([, page], i) => {
    const { stored, flags } = page === 'zero' || page === 'excluded' ? { stored: null, flags: 0 } : storedPage(page);
    view.setBigUint64(24 * i, BigInt(stored === null ? zeroAt : next), le);
    view.setUint32(24 * i + 8, stored?.length ?? blockSize, le);
    view.setUint32(24 * i + 12, flags, le);
    if (stored === null) return;
    data.push(stored);
    next += stored.length;
  });
  return [descriptors, ...data];
}

function storedPage(page: Uint8Array | { stored: Uint8Array; flags: number }): { stored: Uint8Array; flags: number } {
  if (!(page instanceof Uint8Array)) return page;
  const packed = deflateSync(page);
  return packed.length < page.length ? { stored: packed, flags: 1 } : { stored: page, flags: 0 };
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}

/** makedumpfile's flattened stream of records, given as [offset, bytes]. */
export function madeFlattened(records: readonly (readonly [number, Uint8Array])[], ended = true): Uint8Array {
  const header = Buffer.alloc(4096);
  header.write('makedumpfile');
  header.writeBigInt64BE(1n, 16);
  header.writeBigInt64BE(1n, 24);
  const pieces: Uint8Array[] = [header];
  const record = (offset: bigint, size: bigint) => {
    const head = Buffer.alloc(16);
    head.writeBigInt64BE(offset, 0);
    head.writeBigInt64BE(size, 8);
    pieces.push(head);
  };
  for (const [offset, bytes] of records) {
    record(BigInt(offset), BigInt(bytes.length));
    pieces.push(bytes);
  }
  if (ended) record(-1n, -1n);
  return concat(pieces);
}
