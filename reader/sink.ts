// Where bytes go. A sink's output appears whole, at `finish`, or not at all.

export interface ByteSink {
  /** Bytes written so far, holes included. */
  readonly position: number;
  /** Appends; the bytes are consumed before it returns. */
  write(bytes: Uint8Array): void;
  /** Appends `length` zero bytes, stored as a hole where the medium can. */
  hole(length: number): void;
  /** Overwrites bytes that were already written, for headers whose values are known last. */
  patch(offset: number, bytes: Uint8Array): void;
  /** Makes the output visible under its name. */
  finish(): void;
  /** Drops everything. Harmless after `finish`. */
  abort(): void;
}

/** A folder of outputs that appears whole or not at all. Names are plain file names: no separators. */
export interface FolderSink {
  file(name: string): ByteSink;
  finish(): void;
  abort(): void;
}

/** A sink that keeps its bytes, for tests and small outputs. */
export class MemorySink implements ByteSink {
  #bytes = new Uint8Array(4096);
  position = 0;
  finished = false;

  #room(length: number): void {
    const need = this.position + length;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.position));
    this.#bytes = grown;
  }

  write(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  hole(length: number): void {
    this.#room(length);
    this.position += length;
  }

  patch(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.position) throw new RangeError('patch lies behind what was written');
    this.#bytes.set(bytes, offset);
  }

  finish(): void {
    this.finished = true;
  }

  abort(): void {
    if (!this.finished) this.position = 0;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.position);
  }
}

export class MemoryFolder implements FolderSink {
  readonly files = new Map<string, MemorySink>();
  finished = false;

  file(name: string): ByteSink {
    const sink = new MemorySink();
    this.files.set(name, sink);
    return sink;
  }

  finish(): void {
    this.finished = true;
  }

  abort(): void {
    this.files.clear();
  }
}
