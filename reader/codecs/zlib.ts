// zlib pages (RFC 1950) by pako: for hosts without a zlib of their own, and the second opinion for those that have one. The low-level calls keep
// one stream and write into the caller's own range, which is what bounds the output.
import {
  Z_DEFAULT_STRATEGY,
  Z_FINISH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibDeflate,
  zlibDeflateInit2,
  zlibDeflateReset,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
} from 'pako';
import { inside, type PageCodec, type PageCompressor } from './codec.js';

/** The only method there is (RFC 1950). */
const DEFLATE = 8;
const WINDOW_BITS = 15;
const MEMORY_LEVEL = 8;

export function zlibCodec(): PageCodec {
  const stream = new ZStream();
  if (zlibInflateInit2(stream, WINDOW_BITS) !== Z_OK) throw new Error('zlib cannot be initialised');
  return {
    name: 'zlib',
    decompress(input, at, length, output, outputAt, outputLength) {
      if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
      zlibInflateReset(stream);
      stream.input = input;
      stream.next_in = at;
      stream.avail_in = length;
      stream.output = output as Uint8Array<ArrayBuffer>;
      stream.next_out = outputAt;
      stream.avail_out = outputLength;
      return zlibInflate(stream, Z_FINISH) === Z_STREAM_END ? stream.total_out : -1;
    },
  };
}

export function zlibCompressor(level: number): PageCompressor {
  const stream = new ZStream();
  if (zlibDeflateInit2(stream, level, DEFLATE, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !== Z_OK)
    throw new Error('zlib cannot be initialised');
  return {
    name: 'zlib',
    compress(input, output) {
      zlibDeflateReset(stream);
      stream.input = input;
      stream.next_in = 0;
      stream.avail_in = input.length;
      stream.output = output as Uint8Array<ArrayBuffer>;
      stream.next_out = 0;
      stream.avail_out = output.length;
      return zlibDeflate(stream, Z_FINISH) === Z_STREAM_END ? stream.total_out : -1;
    },
  };
}
