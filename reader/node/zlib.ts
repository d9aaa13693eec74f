// Node's own zlib and, from Node 22.15 on, its Zstandard compressor, as engines for page codecs. The public calls make a stream for each page, which
// costs more than the page does. The handle inside a stream can be used again, but is nobody's promise: it is used only where a trial shows that it
// does what it is used for, else the public call.
import * as zlib from 'node:zlib';
import { type CodecEngines, inside, type PageCodec, type PageCompressor } from 'kdumpling/reader/codecs';

/** Give this to `loadCodec` and `loadCompressor` in Node. */
export const nodeEngines: CodecEngines = {
  codecs: { zlib: zlibCodec },
  compressors: { zlib: zlibCompressor, zstd: zstdCompressor },
};

function zlibCodec(): PageCodec {
  const byHandle = inflateByHandle();
  return byHandle !== null && inflatesRightly(byHandle) ? byHandle : inflateByCall;
}

function zlibCompressor(level: number): PageCompressor {
  const byHandle = deflateByHandle(level);
  return byHandle !== null && deflatesRightly(byHandle, level) ? byHandle : deflateByCall(level);
}

/** Inflates by the public call. */
export const inflateByCall: PageCodec = {
  name: 'zlib',
  decompress(input, at, length, output, outputAt, outputLength) {
    if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
    try {
      // One chunk must hold all with something to spare, or a second one is made.
      const options = { chunkSize: outputLength + 64, maxOutputLength: outputLength + 1 };
      const page = zlib.inflateSync(input.subarray(at, at + length), options);
      if (page.length > outputLength) return -1;
      output.set(page, outputAt);
      return page.length;
    } catch {
      return -1;
    }
  },
};

/** Deflates by the public call. */
export function deflateByCall(level: number): PageCompressor {
  return {
    name: 'zlib',
    compress: (input, output) => stored(zlib.deflateSync(input, { level, chunkSize: deflateBound(input) }), output),
  };
}

function zstdCompressor(level: number): PageCompressor | null {
  const { zstdCompressSync, constants } = zlib as Partial<ZstdOfNewerNode>;
  if (zstdCompressSync === undefined || constants?.ZSTD_c_compressionLevel === undefined) return null;
  const options = { params: { [constants.ZSTD_c_compressionLevel]: level } };
  return { name: 'zstd', compress: (input, output) => stored(zstdCompressSync(input, options), output) };
}

interface ZstdOfNewerNode {
  readonly zstdCompressSync: (input: Uint8Array, options: { params: Record<number, number> }) => Uint8Array;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

function stored(page: Uint8Array, output: Uint8Array): number {
  if (page.length > output.length) return -1;
  output.set(page);
  return page.length;
}

/** More than zlib makes of any input (zlib.h, deflateBound, for the default window and memory level). */
function deflateBound(input: Uint8Array): number {
  return input.length + (input.length >> 8) + 64;
}

/** What a stream of node:zlib has inside, as far as it is used here. */
interface StreamParts {
  readonly _handle?: { reset?: () => void; writeSync?: WriteSync; onerror?: unknown };
  /** After a write: how much room is left in the output, how much of the input. */
  readonly _writeState?: Uint32Array;
}
type WriteSync = (
  flush: number,
  input: Uint8Array,
  inputAt: number,
  inputLength: number,
  output: Uint8Array,
  outputAt: number,
  outputLength: number,
) => void;

/** Runs one whole input through a stream; returns how many bytes came out at the start of `output`, or -1. `output` must have room to spare. */
type Run = (input: Uint8Array, at: number, length: number, output: Uint8Array) => number;

/** A stream's handle as a function, or null where the stream has not the parts that are expected. */
function runnerOf(stream: unknown): Run | null {
  const { _handle: handle, _writeState: left } = stream as StreamParts;
  if (typeof handle?.reset !== 'function' || typeof handle.writeSync !== 'function') return null;
  if (!(left instanceof Uint32Array) || left.length < 2) return null;
  const { reset, writeSync } = handle;
  let failed = false;
  handle.onerror = () => {
    failed = true;
  };
  return (input, at, length, output) => {
    failed = false;
    reset.call(handle);
    writeSync.call(handle, zlib.constants.Z_FINISH, input, at, length, output, 0, output.length);
    // Where the output is full, it is no error to the handle that the end is missing.
    return failed || left[0] === 0 ? -1 : output.length - left[0];
  };
}

function inflateByHandle(): PageCodec | null {
  const run = runnerOf(zlib.createInflate());
  if (run === null) return null;
  let scratch = new Uint8Array(0);
  return {
    name: 'zlib',
    decompress(input, at, length, output, outputAt, outputLength) {
      if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
      if (scratch.length !== outputLength + 1) scratch = new Uint8Array(outputLength + 1);
      const written = run(input, at, length, scratch);
      if (written > 0) output.set(scratch.subarray(0, written), outputAt);
      return written;
    },
  };
}

function deflateByHandle(level: number): PageCompressor | null {
  const run = runnerOf(zlib.createDeflate({ level }));
  if (run === null) return null;
  let scratch = new Uint8Array(0);
  return {
    name: 'zlib',
    compress(input, output) {
      if (scratch.length < deflateBound(input)) scratch = new Uint8Array(deflateBound(input));
      const written = run(input, 0, input.length, scratch);
      return written < 0 ? -1 : stored(scratch.subarray(0, written), output);
    },
  };
}

/** Bytes that compress, but not to nothing. */
function sample(): Uint8Array {
  return Uint8Array.from({ length: 4096 }, (_, i) => (i * i) >> 7);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The trial: a page, the same page damaged, cut short, and too large for its place; and after each of these the page again. */
function inflatesRightly(codec: PageCodec): boolean {
  const page = sample();
  const packed = new Uint8Array(zlib.deflateSync(page));
  const damaged = packed.with(packed.length >> 1, ~packed[packed.length >> 1]);
  const output = new Uint8Array(page.length);
  const whole = (): boolean => {
    output.fill(0);
    return codec.decompress(packed, 0, packed.length, output, 0, output.length) === page.length && same(output, page);
  };
  try {
    return (
      whole() &&
      codec.decompress(damaged, 0, damaged.length, output, 0, output.length) === -1 &&
      whole() &&
      codec.decompress(packed, 0, packed.length - 1, output, 0, output.length) === -1 &&
      whole() &&
      codec.decompress(packed, 0, packed.length, output, 0, output.length - 1) === -1 &&
      whole()
    );
  } catch {
    return false;
  }
}

/** The trial: twice what the public call makes, and once too little room. */
function deflatesRightly(compressor: PageCompressor, level: number): boolean {
  const page = sample();
  const packed = new Uint8Array(zlib.deflateSync(page, { level }));
  const output = new Uint8Array(packed.length);
  const whole = (): boolean => {
    output.fill(0);
    return compressor.compress(page, output) === packed.length && same(output, packed);
  };
  try {
    return whole() && compressor.compress(page, output.subarray(1)) === -1 && whole();
  } catch {
    return false;
  }
}
