// Zstandard pages (RFC 8878), the writing side, by @hpcc-js/wasm-zstd.
import { Zstd } from '@hpcc-js/wasm-zstd';
import type { PageCompressor } from './codec.js';

export async function zstdCompressor(level: number): Promise<PageCompressor> {
  const zstd = await Zstd.load();
  return {
    name: 'zstd',
    compress(input, output) {
      const page = zstd.compress(input, level);
      if (page.length === 0 || page.length > output.length) return -1;
      output.set(page);
      return page.length;
    },
  };
}
