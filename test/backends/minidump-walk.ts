// A second reader of the tables, for tests: from raw bytes of memory, with offsets taken from the reference and nothing of the project.
export interface WalkedRegion {
  readonly name: string;
  readonly seq: number;
  readonly address: number;
  readonly size: number;
}

/** Scans an image of memory for `$TOC` on a page boundary and follows SMEM, item 602 and the first subsystem to its regions. */
export function walkImage(image: Uint8Array, base: number): WalkedRegion[] {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  for (let toc = 0; toc < bytes.length; toc += 4096) {
    if (bytes.toString('latin1', toc, toc + 4) !== '$TOC') continue;
    const entries = bytes.readUInt32LE(toc + 8);
    const info = toc + 32 + 48 * entries;
    if (bytes.toString('latin1', info, info + 4) !== 'SIII') continue;
    const smem = toc + 4096 - bytes.readUInt32LE(info + 4);
    if (bytes.readUInt32LE(smem + 0x5c) >>> 16 !== 12 || bytes.readUInt32LE(smem + 0xc0) !== 1) continue;
    if (bytes.readUInt32LE(info + 8) !== base + smem || bytes.readUInt16LE(info + 16) <= 602) continue;
    for (let i = 0; i < entries; i++) {
      const at = toc + 32 + 48 * i;
      if (bytes.readUInt32LE(at + 12) !== 0xfffefffe) continue;
      return globalToc(bytes, itemOf(bytes, smem + bytes.readUInt32LE(at), 602), base);
    }
  }
  return [];
}

function itemOf(bytes: Buffer, partition: number, wanted: number): number {
  const end = partition + bytes.readUInt32LE(partition + 12);
  for (let at = partition + 32; at < end; ) {
    const padding = bytes.readUInt16LE(at + 10);
    if (bytes.readUInt16LE(at) !== 0xa5a5) throw new Error('no canary');
    if (bytes.readUInt16LE(at + 2) === wanted) return at + 16 + padding;
    at += 16 + padding + bytes.readUInt32LE(at + 4);
  }
  throw new Error('no such item');
}

function globalToc(bytes: Buffer, toc: number, base: number): WalkedRegion[] {
  if (bytes.readUInt32LE(toc) === 0 || bytes.readUInt32LE(toc + 4) !== 1) throw new Error('not ready');
  const apss = toc + 16;
  if (bytes.readUInt32LE(apss) !== 1 || bytes.toString('latin1', apss + 4, apss + 8) !== 'LBNE') {
    throw new Error('not enabled');
  }
  const count = bytes.readUInt32LE(apss + 16);
  const regions = Number(bytes.readBigUInt64LE(apss + 24)) - base;
  return Array.from({ length: count }, (_, i) => {
    const at = regions + 40 * i;
    if (bytes.toString('latin1', at + 20, at + 24) !== 'ILAV') throw new Error('not valid');
    return {
      name: bytes.toString('latin1', at, at + 16).replace(/\0.*$/s, ''),
      seq: bytes.readUInt32LE(at + 16),
      address: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
    };
  });
}
