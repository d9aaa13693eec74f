// Page compression by name. Each codec is imported when it is asked for.
import type { CodecEngines, CodecName, PageCodec, PageCompressor } from './codec.js';
import { checkedLevel } from './levels.js';

export {
  CODEC_NAMES,
  type CodecEngines,
  type CodecName,
  inside,
  type PageCodec,
  type PageCompressor,
} from './codec.js';
export { refusedLevel } from './levels.js';

/** A decompressor. Not to be shared between threads; keeps buffers that it uses again. */
export async function loadCodec(name: CodecName, engines: CodecEngines = {}): Promise<PageCodec> {
  const engine = engines.codecs?.[name]?.();
  if (engine) return engine;
  switch (name) {
    case 'zlib':
      return (await import('./zlib.js')).zlibCodec();
    case 'lzo':
      return (await import('./wasm.js')).wasmCodec('lzo', (await import('./lzo.js')).lzoDecompress);
    case 'snappy':
      return (await import('./wasm.js')).wasmCodec('snappy', (await import('./snappy.js')).snappyDecompress);
    case 'zstd':
      return (await import('./zstd.js')).zstdCodec();
  }
}

/** A compressor. Throws RangeError with a sentence for a level that the codec does not have; without one it takes makedumpfile's. */
export async function loadCompressor(
  name: CodecName,
  level?: number,
  engines: CodecEngines = {},
): Promise<PageCompressor> {
  const checked = checkedLevel(name, level);
  const engine = engines.compressors?.[name]?.(checked);
  if (engine) return engine;
  switch (name) {
    case 'zlib':
      return (await import('./zlib.js')).zlibCompressor(checked);
    case 'lzo':
      return (await import('./lzo-compress.js')).lzoCompressor();
    case 'snappy':
      return (await import('./snappy-compress.js')).snappyCompressor();
    case 'zstd':
      return (await import('./zstd-compress.js')).zstdCompressor(checked);
  }
}
