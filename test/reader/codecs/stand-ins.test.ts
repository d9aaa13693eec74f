// What serves where a host lacks something: twins for WebAssembly, the public calls of node:zlib for the parts inside its streams.
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { deflateSync } from 'node:zlib';
import test from 'ava';
import { loadCodec, loadCompressor, type PageCodec } from 'kdumpling/reader/codecs';
import { wasmCodec } from 'kdumpling/reader/codecs/wasm';
import { inflateByCall, nodeEngines } from 'kdumpling/reader/node';

/** A decoder that can be recognised. */
const marked = (name: 'lzo' | 'snappy'): PageCodec => ({ name, decompress: () => 4711 });

/** Does `body` while a property has another value. */
async function replaced(object: object, key: string, value: unknown, body: () => void | Promise<void>): Promise<void> {
  const before = Object.getOwnPropertyDescriptor(object, key)!;
  Object.defineProperty(object, key, { ...before, value });
  syncBuiltinESMExports();
  try {
    await body();
  } finally {
    Object.defineProperty(object, key, before);
    syncBuiltinESMExports();
  }
}

const decode = (codec: PageCodec, length = 3): number =>
  codec.decompress(new Uint8Array(length), 0, length, new Uint8Array(8), 0, 8);

test.serial('the module serves, its twin only what is too large for its slots', t => {
  for (const name of ['lzo', 'snappy'] as const) {
    const twin = marked(name);
    const codec = wasmCodec(name, (...page) => twin.decompress(...page));
    t.not(decode(codec), 4711);
    t.is(decode(codec, 128 * 1024 + 1), 4711);
  }
});

test.serial('where WebAssembly is not allowed the twin serves', async t => {
  const refuse = class {
    constructor() {
      throw new Error('not allowed here');
    }
  };
  const twin = marked('lzo');
  await replaced(Reflect.get(globalThis, 'WebAssembly') as object, 'Module', refuse, () => {
    t.is(decode(wasmCodec('lzo', (...page) => twin.decompress(...page))), 4711);
  });
  await replaced(globalThis, 'WebAssembly', undefined, () => {
    t.is(decode(wasmCodec('lzo', (...page) => twin.decompress(...page))), 4711);
  });
});

test.serial('node:zlib: the public call serves where a stream is not as expected inside', async t => {
  const zlib = createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib');
  t.not(await loadCodec('zlib', nodeEngines), inflateByCall, 'the handle is used by this Node');
  /** An inflating stream whose handle is the real one, but for one thing. */
  const spoilt = (spoil: (handle: Record<string, unknown>, left: Uint32Array) => object): (() => object) => {
    const create = zlib.createInflate;
    return () => {
      const { _handle, _writeState } = create() as unknown as {
        _handle: Record<string, unknown>;
        _writeState: Uint32Array;
      };
      return spoil(_handle, _writeState);
    };
  };
  const ways: Record<string, () => object> = {
    'no handle': () => ({}),
    'no reset': spoilt((_handle, _writeState) => ({ _handle: { ..._handle, reset: undefined }, _writeState })),
    'no counts': spoilt(_handle => ({ _handle })),
    'counts that stand still': spoilt(_handle => ({ _handle, _writeState: new Uint32Array(2) })),
    'a reset that does nothing': spoilt((handle, _writeState) => ({
      _handle: Object.defineProperty(handle, 'reset', { value: () => undefined }),
      _writeState,
    })),
    'a handle that throws': spoilt((handle, _writeState) => ({
      _handle: Object.defineProperty(handle, 'writeSync', {
        value: () => {
          throw new Error('not like this');
        },
      }),
      _writeState,
    })),
  };
  for (const [way, createInflate] of Object.entries(ways)) {
    await replaced(zlib, 'createInflate', createInflate, async () => {
      t.is(await loadCodec('zlib', nodeEngines), inflateByCall, way);
    });
  }
  await replaced(
    zlib,
    'createDeflate',
    () => ({}),
    async () => {
      const page = new Uint8Array(4096).fill(7);
      const packed = new Uint8Array(4096);
      const length = (await loadCompressor('zlib', 6, nodeEngines)).compress(page, packed);
      t.deepEqual(packed.slice(0, length), new Uint8Array(deflateSync(page, { level: 6 })));
    },
  );
});
