// Where bytes come from: a file, memory, a Blob in a worker. Reads are synchronous for every source.
import { InputError } from './fault.js';

export interface ByteSource {
  /** Short name for messages: no directories, so that output is the same on every machine. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** The size of reads that suit this source best, a power of two. */
  readonly blockSize: number;
  /**
   * Fills `into` with the bytes from `offset` on. Returns how many were read: less than `into.length` only where the
   * source ends. Throws InputError when the medium fails.
   */
  read(offset: number, into: Uint8Array): number;
  close(): void;
}

/** A source over bytes in memory; the bytes are borrowed. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize = 65536;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = 'memory') {
    this.#bytes = bytes;
    this.name = name;
    this.size = bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    if (offset >= this.size) return 0;
    const length = Math.min(into.length, this.size - offset);
    into.set(this.#bytes.subarray(offset, offset + length));
    return length;
  }

  close(): void {}
}

/** Reads exactly `length` bytes into a new array, or throws InputError naming `record`. For headers, not for pages. */
export function readExactly(
  source: ByteSource,
  offset: number,
  length: number,
  record: string,
): Uint8Array<ArrayBuffer> {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new InputError(
      { source: source.name, record, offset, field: 'content' },
      `${length} bytes are needed, but the file ends at ${source.size}`,
      'the file may be cut short',
    );
  }
  const into = new Uint8Array(length);
  if (source.read(offset, into) < length) {
    throw new InputError(
      { source: source.name, record, offset, field: 'content' },
      'the file became shorter while it was read',
    );
  }
  return into;
}

/** A folder's files as sources, sorted by name; they are opened when they are first read. */
export interface SourceFolder {
  /** Short name, no directories. */
  readonly name: string;
  readonly files: readonly ByteSource[];
  close(): void;
}

/** A stretch of another source; closing it leaves the other open. */
export class SliceSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  readonly #source: ByteSource;
  readonly #start: number;

  /** @param size cut to what the source has */
  constructor(source: ByteSource, start: number, size: number, name = source.name) {
    this.name = name;
    this.size = Math.max(0, Math.min(size, source.size - start));
    this.blockSize = source.blockSize;
    this.#source = source;
    this.#start = start;
  }

  read(offset: number, into: Uint8Array): number {
    if (offset >= this.size) return 0;
    const length = Math.min(into.length, this.size - offset);
    return this.#source.read(this.#start + offset, length === into.length ? into : into.subarray(0, length));
  }

  close(): void {}
}
