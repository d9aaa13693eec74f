// A kdump file taken apart for tests, with binary-parser, from the layout of makedumpfile's diskdump_mod.h (64-bit, little-endian, version 6).
import { inflateSync } from 'node:zlib';
import { Parser } from 'binary-parser';

const header = new Parser()
  .endianness('little')
  .string('signature', { length: 8 })
  .int32('version')
  .array('utsname', { type: new Parser().string('text', { length: 65, stripNull: true }), length: 6 })
  .seek(6)
  .int64('seconds')
  .int64('microseconds')
  .uint32('status')
  .int32('blockSize')
  .int32('subHeaderBlocks')
  .uint32('bitmapBlocks')
  .uint32('maxMapnr')
  .seek(16)
  .int32('cpus');

const subHeader = new Parser()
  .endianness('little')
  .int64('physBase')
  .int32('dumpLevel')
  .int32('split')
  .seek(16)
  .int64('vmcoreinfoAt')
  .uint64('vmcoreinfoSize')
  .int64('notesAt')
  .uint64('notesSize')
  .int64('eraseinfoAt')
  .uint64('eraseinfoSize')
  .seek(16)
  .uint64('maxMapnr');

export interface KdumpBytes {
  readonly header: {
    readonly signature: string;
    readonly version: number;
    readonly utsname: readonly { readonly text: string }[];
    readonly status: number;
    readonly blockSize: number;
    readonly subHeaderBlocks: number;
    readonly bitmapBlocks: number;
    readonly maxMapnr: number;
    readonly cpus: number;
  };
  readonly sub: Readonly<Record<string, bigint | number>>;
  readonly exists: readonly number[];
  readonly dumped: readonly number[];
  readonly descriptors: readonly { readonly offset: number; readonly size: number; readonly flags: number }[];
  /** A page by frame number, inflated where its flags say zlib; null if its descriptor is empty. */
  page(pfn: number): Uint8Array | null;
}

export function takeApart(bytes: Uint8Array): KdumpBytes {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = header.parse(buffer) as KdumpBytes['header'];
  const sub = subHeader.parse(buffer.subarray(head.blockSize)) as KdumpBytes['sub'];
  const bitmapAt = head.blockSize * (1 + head.subHeaderBlocks);
  const half = (head.bitmapBlocks * head.blockSize) / 2;
  const bits = (from: number): number[] => {
    const set: number[] = [];
    for (let pfn = 0; pfn < half * 8; pfn++) if ((buffer[from + (pfn >> 3)] >> (pfn & 7)) & 1) set.push(pfn);
    return set;
  };
  const dumped = bits(bitmapAt + half);
  const descriptors = dumped.map((_, i) => {
    const at = bitmapAt + 2 * half + i * 24;
    return {
      offset: Number(buffer.readBigUInt64LE(at)),
      size: buffer.readUInt32LE(at + 8),
      flags: buffer.readUInt32LE(at + 12),
    };
  });
  return {
    header: head,
    sub,
    exists: bits(bitmapAt),
    dumped,
    descriptors,
    page(pfn) {
      const { offset, size, flags } = descriptors[dumped.indexOf(pfn)];
      if (offset === 0) return null;
      const stored = buffer.subarray(offset, offset + size);
      return flags === 1 ? inflateSync(stored) : stored;
    },
  };
}
