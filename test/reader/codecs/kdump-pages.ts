// Compressed pages of a kdump file as makedumpfile wrote them, and the same pages of the ELF dump it was made from: a walk of the two layouts as short as
// can be, for little-endian 64-bit files (makedumpfile's diskdump_mod.h, the ELF specification).
import { closeSync, openSync, readSync } from 'node:fs';

function bytesAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, offset);
  return bytes;
}

export interface StoredPage {
  readonly pfn: number;
  /** 0 for a page that is stored as it is. */
  readonly flags: number;
  readonly stored: Buffer;
}

/** Every `step`th page of a kdump file. */
export function storedPages(path: string, step: number): StoredPage[] {
  const fd = openSync(path, 'r');
  const header = bytesAt(fd, 0, 464);
  const blockSize = header.readInt32LE(428);
  const bitmapAt = (1 + header.readInt32LE(432)) * blockSize;
  const bitmapSize = header.readUInt32LE(436) * blockSize;
  const dumped = bytesAt(fd, bitmapAt + bitmapSize / 2, bitmapSize / 2);
  const pages: StoredPage[] = [];
  let index = 0;
  for (let pfn = 0; pfn < dumped.length * 8; pfn++) {
    if (((dumped[pfn >> 3] >> (pfn & 7)) & 1) === 0) continue;
    if (index++ % step !== 0) continue;
    const descriptor = bytesAt(fd, bitmapAt + bitmapSize + 24 * (index - 1), 24);
    const stored = bytesAt(fd, Number(descriptor.readBigUInt64LE(0)), descriptor.readUInt32LE(8));
    pages.push({ pfn, flags: descriptor.readUInt32LE(12), stored });
  }
  closeSync(fd);
  return pages;
}

/** The physical page `pfn` of an ELF dump. */
export function elfPages(path: string): { page(pfn: number): Buffer; close(): void } {
  const fd = openSync(path, 'r');
  const header = bytesAt(fd, 0, 64);
  const table = bytesAt(fd, Number(header.readBigUInt64LE(32)), 56 * header.readUInt16LE(56));
  const loads: { offset: number; paddr: number; size: number }[] = [];
  for (let at = 0; at < table.length; at += 56) {
    if (table.readUInt32LE(at) !== 1) continue;
    const [offset, paddr, size] = [8, 24, 32].map(field => Number(table.readBigUInt64LE(at + field)));
    loads.push({ offset, paddr, size });
  }
  return {
    page(pfn) {
      const paddr = pfn * 4096;
      const load = loads.find(one => paddr >= one.paddr && paddr + 4096 <= one.paddr + one.size);
      if (load === undefined) throw new Error(`no segment has page ${pfn}`);
      return bytesAt(fd, load.offset + paddr - load.paddr, 4096);
    },
    close: () => closeSync(fd),
  };
}
