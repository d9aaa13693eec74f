// A Zstandard stream (RFC 8878) as a source, by zstddec: decoded when it is first read, and held.
import { ZSTDDecoder } from 'zstddec/stream';
import { InputError } from '../../fault.js';
import type { ByteSource } from '../../source.js';
import type { Decompress } from './compressed.js';

const INPUT = 1 << 17;
/** Up to so many bytes are decoded at once: a stream that is left in its middle keeps its buffers for ever, and a second copy of as much does no harm. */
const AT_ONCE = 1 << 24;
/** A stream that gives nothing for so many steps is stuck. */
const MOST_IDLE = 64;

export async function loadZstd(): Promise<Decompress> {
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return (source, size) => new ZstdSource(decoder, source, size);
}

class ZstdSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize = 65536;
  readonly #decoder: ZSTDDecoder;
  readonly #source: ByteSource;
  #bytes: Uint8Array | null = null;

  constructor(decoder: ZSTDDecoder, source: ByteSource, size: number) {
    this.#decoder = decoder;
    this.#source = source;
    this.name = source.name;
    this.size = size;
  }

  read(offset: number, into: Uint8Array): number {
    this.#bytes ??= this.#decode();
    if (offset >= this.size) return 0;
    const length = Math.min(into.length, this.size - offset);
    into.set(this.#bytes.subarray(offset, offset + length));
    return length;
  }

  close(): void {}

  #decode(): Uint8Array {
    if (this.size <= AT_ONCE && this.#source.size <= AT_ONCE) {
      const input = new Uint8Array(this.#source.size);
      this.#source.read(0, input);
      // Damage makes it empty: a size below zero is an error's number.
      const bytes = this.size === 0 ? input.subarray(0, 0) : this.#decoder.decode(input, this.size);
      if (bytes.length !== this.size) throw this.#wrong(bytes.length);
      return bytes;
    }
    const bytes = new Uint8Array(this.size);
    let done = 0;
    let idle = 0;
    try {
      for (const piece of this.#decoder.decodeStreaming(this.#input())) {
        idle = piece.length === 0 ? idle + 1 : 0;
        if (idle > MOST_IDLE || done + piece.length > this.size) throw this.#wrong(done);
        bytes.set(piece, done);
        done += piece.length;
      }
    } catch (error) {
      // What the decoder throws tells no place.
      throw error instanceof InputError ? error : this.#wrong(done);
    }
    if (done < this.size) throw this.#wrong(done);
    return bytes;
  }

  *#input(): Generator<Uint8Array> {
    for (let at = 0; at < this.#source.size; at += INPUT) {
      const piece = new Uint8Array(Math.min(INPUT, this.#source.size - at));
      this.#source.read(at, piece);
      yield piece;
    }
  }

  #wrong(offset: number): InputError {
    return new InputError(
      { source: this.name, record: 'compressed section', offset, field: 'zstd stream' },
      `it does not decode to the ${this.size} bytes that its header claims`,
      'the compressed section is damaged',
    );
  }
}
