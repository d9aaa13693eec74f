// Zstandard pages (RFC 8878) by zstddec.
import { ZSTDDecoder } from 'zstddec';
import { inside, type PageCodec } from './codec.js';

export async function zstdCodec(): Promise<PageCodec> {
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return {
    name: 'zstd',
    decompress(input, at, length, output, outputAt, outputLength) {
      if (!inside(input, at, length) || !inside(output, outputAt, outputLength) || length === 0) return -1;
      // With a size given the frame's own claim is not used for an allocation. A frame that is corrupt or too large for it comes back empty.
      const page = decoder.decode(input.subarray(at, at + length), outputLength + 1);
      if (page.length === 0 || page.length > outputLength) return -1;
      output.set(page, outputAt);
      return page.length;
    },
  };
}
