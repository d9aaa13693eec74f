// The plainest back-end: one file of bytes per region and map.json, which says where each belongs. A script that knows only the map can put memory together.
import type { Refusal, Region, TargetKernel } from 'kdumpling/producer';
import type { FolderSink, Issues } from 'kdumpling/reader';
import { safeFileName } from 'kdumpling/reader/formats/qcom-minidump';
import type { Backend, WrittenFile } from './backend.js';
import { copyWithHoles } from './copy.js';

/** map.json. Addresses are "0x…". */
export interface RawMap {
  readonly version: 1;
  readonly arch: string;
  readonly bits: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  readonly pageSize: number;
  readonly regions: readonly RawMapRegion[];
}

export interface RawMapRegion {
  readonly id: number;
  readonly name: string;
  readonly file: string;
  readonly paddr: string;
  readonly vaddr: string;
  readonly size: number;
  /** Stretches of the file that memory had nothing for; their bytes mean nothing. */
  readonly missing: readonly { readonly offset: number; readonly length: number }[];
}

const MAP_NAME = 'map.json';

class RawBackend implements Backend {
  readonly name = 'raw';
  readonly takesAll = true;
  readonly #regions: Region[] = [];

  register(region: Region): Refusal | null {
    if (region.size <= 0) return { errno: 'EINVAL', message: `region ${region.name} has no size` };
    this.#regions.push(region);
    return null;
  }

  unregister(region: Region): Refusal | null {
    const at = this.#regions.findIndex(
      ({ id, paddr, size }) => id === region.id && paddr === region.paddr && size === region.size,
    );
    if (at < 0) return { errno: 'ENOENT', message: `region ${region.name} (ID ${region.id}) is not registered` };
    this.#regions.splice(at, 1);
    return null;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    const files: WrittenFile[] = [];
    const regions = this.#regions.map((region, i) => {
      const name = `${String(i).padStart(4, '0')}_${safeFileName(region.name)}.bin`;
      files.push({ name, size: region.size });
      return writeRegion(kernel, region, name, out, issues);
    });
    const map: RawMap = {
      version: 1,
      arch: kernel.arch.name,
      bits: kernel.arch.bits,
      byteOrder: kernel.littleEndian ? 'little' : 'big',
      pageSize: kernel.pageSize,
      regions,
    };
    const text = new TextEncoder().encode(`${JSON.stringify(map, null, 1)}\n`);
    const sink = out.file(MAP_NAME);
    sink.write(text);
    sink.finish();
    files.push({ name: MAP_NAME, size: text.length });
    return files;
  }
}

function writeRegion(
  kernel: TargetKernel,
  region: Region,
  file: string,
  out: FolderSink,
  issues: Issues,
): RawMapRegion {
  const { id, name, paddr, vaddr, size } = region;
  const missing: { offset: number; length: number }[] = [];
  const sink = out.file(file);
  copyWithHoles(kernel.memory, paddr, size, sink, ({ start, end }) => {
    missing.push({ offset: start - paddr, length: end - start });
    issues.add(
      'missing-memory',
      `region ${name} (ID ${id}): ${end - start} bytes at physical address 0x${start.toString(16)} are not in memory`,
      start,
    );
  });
  sink.finish();
  return {
    id,
    name,
    file,
    paddr: `0x${paddr.toString(16)}`,
    vaddr: `0x${vaddr.toString(16)}`,
    size,
    missing,
  };
}

export const openRaw = (): Backend => new RawBackend();
