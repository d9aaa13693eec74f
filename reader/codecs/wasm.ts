// The LZO1X and Snappy decoders in WebAssembly: the same as their twins in TypeScript and about three times as fast. All they can touch is a
// memory of their own, with one slot for what comes in and one for what goes out.
import { type CodecName, inside, type PageCodec } from './codec.js';
import { WASM } from './wasm.generated.js';

/** The largest page, compressed or not, that the module takes; its twin takes the others. Linux has no page above 64 KiB. */
const SLOT = 128 * 1024;
/** The decoders copy eight bytes at a time and may pass a slot's end by 7. */
const SLACK = 64;
const INPUT = 0;
const OUTPUT = SLOT + SLACK;

type Decode = (input: number, length: number, output: number, outputLength: number) => number;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly lzoDecompress: Decode;
  readonly snappyDecompress: Decode;
}

/** A decoder by the module, or its twin where the host does not allow WebAssembly. */
export function wasmCodec(name: CodecName & ('lzo' | 'snappy'), twin: PageCodec['decompress']): PageCodec {
  const exports = instantiate();
  if (exports === null) return { name, decompress: twin };
  const decode = name === 'lzo' ? exports.lzoDecompress : exports.snappyDecompress;
  const slots = new Uint8Array(exports.memory.buffer);
  return {
    name,
    decompress(input, at, length, output, outputAt, outputLength) {
      if (length > SLOT || outputLength > SLOT) return twin(input, at, length, output, outputAt, outputLength);
      if (!inside(input, at, length) || !inside(output, outputAt, outputLength)) return -1;
      slots.set(input.subarray(at, at + length), INPUT);
      const written = decode(INPUT, length, OUTPUT, outputLength);
      if (written > 0) output.set(slots.subarray(OUTPUT, OUTPUT + written), outputAt);
      return written;
    },
  };
}

function instantiate(): Exports | null {
  try {
    const module = new WebAssembly.Module(Uint8Array.from(atob(WASM), char => char.charCodeAt(0)));
    return new WebAssembly.Instance(module).exports as unknown as Exports;
  } catch {
    return null;
  }
}
