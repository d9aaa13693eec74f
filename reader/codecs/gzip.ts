// gzip members (RFC 1952) by pako, with a bound on what comes out: the configuration that a kernel carries.
import { Z_FINISH, Z_OK, Z_STREAM_END, ZStream, zlibInflate, zlibInflateInit2 } from 'pako';

/** A window of 32 KiB, and a gzip header in front. */
const GZIP_WINDOW_BITS = 15 + 16;

/** Null if this is no whole gzip member, or one of more than `most` bytes. What follows the member is left alone. */
export function gunzip(input: Uint8Array, most: number): Uint8Array | null {
  const stream = new ZStream();
  if (zlibInflateInit2(stream, GZIP_WINDOW_BITS) !== Z_OK) return null;
  stream.input = input;
  stream.avail_in = input.length;
  stream.output = new Uint8Array(most);
  stream.avail_out = most;
  return zlibInflate(stream, Z_FINISH) === Z_STREAM_END ? stream.output.subarray(0, stream.total_out) : null;
}
