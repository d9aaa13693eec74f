// The interfaces of page compression: one page in, one page out, by the names that the kdump-compressed format knows.

export type CodecName = 'zlib' | 'lzo' | 'snappy' | 'zstd';

export const CODEC_NAMES: readonly CodecName[] = ['zlib', 'lzo', 'snappy', 'zstd'];

export interface PageCodec {
  readonly name: CodecName;
  /**
   * Decompresses input[at, at + length) into output[outputAt, outputAt + outputLength); returns the number of bytes written, or -1 if
   * the data is corrupt or does not fit. Never writes outside the given range, never throws for bad data. After -1 the range's
   * content is undefined.
   */
  decompress(
    input: Uint8Array,
    at: number,
    length: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): number;
}

export interface PageCompressor {
  readonly name: CodecName;
  /** Compresses all of `input` into the start of `output`; returns the number of bytes, or -1 if they do not fit. Same input, same bytes. */
  compress(input: Uint8Array, output: Uint8Array): number;
}

/** A host's own implementations, taken in place of those here; each is asked for once. One that returns null is not to be had on this host. */
export interface CodecEngines {
  readonly codecs?: { readonly [name in CodecName]?: () => PageCodec | null };
  readonly compressors?: { readonly [name in CodecName]?: (level: number) => PageCompressor | null };
}

/** Whether [at, at + length) lies inside `bytes`. */
export function inside(bytes: Uint8Array, at: number, length: number): boolean {
  return at >= 0 && length >= 0 && at + length <= bytes.length;
}
