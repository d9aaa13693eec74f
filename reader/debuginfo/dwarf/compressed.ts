// Compressed debug sections: those with SHF_COMPRESSED, and the older `.zdebug_…`. zlib is read in pieces; Zstandard, which cannot begin in its middle, is decoded whole when it is first read.
import { Cursor } from '../../cursor.js';
import { InputError } from '../../fault.js';
import {
  compressionHeaderSize,
  decodeCompressionHeader,
  ELFCOMPRESS_ZLIB,
  ELFCOMPRESS_ZSTD,
  SHF_COMPRESSED,
} from '../../formats/elf.js';
import { type ByteSource, readExactly, SliceSource } from '../../source.js';
import type { ElfFile, Section } from '../elf-file.js';

/** Debug information shrinks to a fifth, lists of ranges to a twentieth. */
const MOST_RATIO = 40;
const LEAST_LIMIT = 1 << 16;
/** Decoded whole, so no longer than this. */
const MOST_ZSTD = 2 ** 30;
/** `ZLIB` and the size, big-endian. */
const ZDEBUG_HEADER = 12;

/** From compressed bytes to a source of `size` bytes. */
export type Decompress = (source: ByteSource, size: number) => ByteSource;

export interface Decompressors {
  readonly zlib?: Decompress;
  readonly zstd?: Decompress;
}

export const isCompressed = (section: Section): boolean =>
  (section.flags & SHF_COMPRESSED) !== 0 || section.label.startsWith('.zdebug_');

interface Compressed {
  readonly type: number;
  readonly size: number;
  /** Of the data, in the file. */
  readonly start: number;
}

function headerOf(file: ElfFile, section: Section): Compressed {
  const { source, header } = file;
  const place = { source: source.name, record: section.label, base: section.offset };
  if ((section.flags & SHF_COMPRESSED) === 0) {
    const bytes = readExactly(source, section.offset, Math.min(section.size, ZDEBUG_HEADER), section.label);
    const cursor = new Cursor(bytes, false, place);
    const magic = cursor.text(4, 'magic');
    if (magic !== 'ZLIB') {
      throw new InputError({ ...place, offset: section.offset, field: 'magic', value: magic }, 'expected "ZLIB"');
    }
    return { type: ELFCOMPRESS_ZLIB, size: cursor.u64n('size'), start: section.offset + ZDEBUG_HEADER };
  }
  const length = compressionHeaderSize(header.bits);
  const bytes = readExactly(source, section.offset, Math.min(section.size, length), section.label);
  const { type, size } = decodeCompressionHeader(new Cursor(bytes, header.littleEndian, place), header.bits);
  return { type, size, start: section.offset + length };
}

/** Imports what the file's compressed sections need; damaged ones are left for whoever reads them. */
export async function loadDecompressors(file: ElfFile): Promise<Decompressors> {
  const types = new Set<number>();
  for (const section of file.sections) {
    if (!isCompressed(section) || section.offset >= file.source.size) continue;
    try {
      types.add(headerOf(file, section).type);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return decompressorsFor(types);
}

/** For files that are not known yet. */
export const allDecompressors = (): Promise<Decompressors> =>
  decompressorsFor(new Set([ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD]));

async function decompressorsFor(types: ReadonlySet<number>): Promise<Decompressors> {
  const zlib = types.has(ELFCOMPRESS_ZLIB) ? (await import('../../codecs/inflated-source.js')).InflatedSource : null;
  const zstd = types.has(ELFCOMPRESS_ZSTD) ? await (await import('./zstd-source.js')).loadZstd() : null;
  return {
    ...(zlib === null ? {} : { zlib: (source, size) => new zlib(source, size) }),
    ...(zstd === null ? {} : { zstd }),
  };
}

/** The data of a compressed section; throws InputError where its header is none or claims too much. */
export function decompressed(file: ElfFile, section: Section, how: Decompressors): ByteSource {
  const { type, size, start } = headerOf(file, section);
  const place = { source: file.source.name, record: section.label, offset: section.offset };
  const length = section.size - (start - section.offset);
  const decompress = type === ELFCOMPRESS_ZLIB ? how.zlib : type === ELFCOMPRESS_ZSTD ? how.zstd : undefined;
  if (decompress === undefined) {
    throw new InputError(
      { ...place, field: 'ch_type', value: type },
      'known are 1 (zlib) and 2 (zstd)',
      'decompress it with objcopy --decompress-debug-sections',
    );
  }
  if (size > Math.max(LEAST_LIMIT, length * MOST_RATIO) || (type === ELFCOMPRESS_ZSTD && size > MOST_ZSTD)) {
    throw new InputError(
      { ...place, field: 'ch_size', value: size },
      `${length} bytes of debug information cannot become as many`,
    );
  }
  return decompress(new SliceSource(file.source, start, length), size);
}
