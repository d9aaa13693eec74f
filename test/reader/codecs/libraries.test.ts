// The C libraries that the tools people use are linked with: they read what our compressors write, and we read what they write.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CODEC_NAMES, loadCodec, loadCompressor } from 'kdumpling/reader/codecs';
import { nodeEngines } from 'kdumpling/reader/node';
import { dir } from 'tmp-promise';
import { peer, peerTest } from '../../peer.js';
import { madePage, randomFrom } from './page-bytes.js';

/** Reads FOLDER/pages and FOLDER/NAME.ours; prints "ok" for each page that comes out of the library right; writes FOLDER/NAME.theirs. */
const SCRIPT = `
import ctypes, struct, sys
folder, name = sys.argv[1:3]
def records(path):
    data, at = open(path, 'rb').read(), 0
    while at < len(data):
        size, = struct.unpack_from('<I', data, at)
        yield data[at + 4:at + 4 + size]
        at += 4 + size
def load(*names):
    for one in names:
        try: return ctypes.CDLL(one)
        except OSError: pass
    raise SystemExit('no library of ' + ' '.join(names))
size_t, pointer = ctypes.c_size_t, ctypes.byref
room = ctypes.create_string_buffer(1 << 20)
if name == 'zlib':
    lib = load('libz.so.1')
    def unpack(data):
        n = ctypes.c_ulong(len(room))
        assert lib.uncompress(room, pointer(n), data, ctypes.c_ulong(len(data))) == 0
        return room.raw[:n.value]
    def pack(data, i):
        n = ctypes.c_ulong(len(room))
        assert lib.compress2(room, pointer(n), data, ctypes.c_ulong(len(data)), 1 + i % 9) == 0
        return room.raw[:n.value]
elif name == 'lzo':
    lib = load('liblzo2.so.2')
    work = ctypes.create_string_buffer(1 << 20)
    def unpack(data):
        n = size_t(len(room))
        assert lib.lzo1x_decompress_safe(data, size_t(len(data)), room, pointer(n), None) == 0
        return room.raw[:n.value]
    def pack(data, i):
        n = size_t(len(room))
        call = [lib.lzo1x_1_compress, lib.lzo1x_1_11_compress, lib.lzo1x_1_15_compress, lib.lzo1x_999_compress][i % 4]
        assert call(data, size_t(len(data)), room, pointer(n), work) == 0
        return room.raw[:n.value]
elif name == 'snappy':
    lib = load('libsnappy.so.1')
    def unpack(data):
        n = size_t(len(room))
        assert lib.snappy_uncompress(data, size_t(len(data)), room, pointer(n)) == 0
        return room.raw[:n.value]
    def pack(data, i):
        n = size_t(len(room))
        assert lib.snappy_compress(data, size_t(len(data)), room, pointer(n)) == 0
        return room.raw[:n.value]
else:
    lib = load('libzstd.so.1')
    lib.ZSTD_decompress.restype = lib.ZSTD_compress.restype = size_t
    def unpack(data):
        n = lib.ZSTD_decompress(room, size_t(len(room)), data, size_t(len(data)))
        return room.raw[:n]
    def pack(data, i):
        n = lib.ZSTD_compress(room, size_t(len(room)), data, size_t(len(data)), [1, 3, 19, -5][i % 4])
        return room.raw[:n]
pages = list(records(folder + '/pages'))
ours = list(records(folder + '/' + name + '.ours'))
assert len(pages) == len(ours)
with open(folder + '/' + name + '.theirs', 'wb') as out:
    for i, (page, packed) in enumerate(zip(pages, ours)):
        print('ok' if unpack(packed) == page else 'wrong')
        packed = pack(page, i)
        out.write(struct.pack('<I', len(packed)) + packed)
`;

function records(pages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    pages.flatMap(page => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(page.length);
      return [size, page];
    }),
  );
}

function* recordsOf(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += 4 + data.readUInt32LE(at))
    yield data.subarray(at + 4, at + 4 + data.readUInt32LE(at));
}

function pages(): Uint8Array[] {
  const random = randomFrom(2025);
  const sizes = [1, 2, 3, 4, 5, 17, 18, 19, 60, 61, 238, 239, 255, 256, 257, 4095, 16384, 65536, 200_000];
  const noise = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random(256));
  return [
    ...sizes.flatMap(size => [madePage(random, size), new Uint8Array(size), noise(size)]),
    ...Array.from({ length: 400 }, () => madePage(random, 4096)),
    ...Array.from({ length: 40 }, () => madePage(random, 65536)),
  ];
}

for (const name of CODEC_NAMES) {
  peerTest(`${name}: the C library reads ours, we read its`, ['python3'], async t => {
    const folder = await dir({ unsafeCleanup: true });
    const originals = pages();
    const pack = await loadCompressor(name, undefined, nodeEngines);
    const room = new Uint8Array(300_000);
    await writeFile(join(folder.path, 'pages'), records(originals));
    const ours = records(originals.map(page => room.slice(0, pack.compress(page, room))));
    await writeFile(join(folder.path, `${name}.ours`), ours);
    const { stdout, stderr } = peer('python3', ['-c', SCRIPT, folder.path, name], [folder.path]);
    t.is(stderr, '');
    t.deepEqual([...new Set(stdout.trim().split('\n'))], ['ok']);
    t.is(stdout.trim().split('\n').length, originals.length);

    const codecs = [await loadCodec(name, nodeEngines), await loadCodec(name)];
    let i = 0;
    for (const theirs of recordsOf(await readFile(join(folder.path, `${name}.theirs`)))) {
      const page = originals[i++];
      for (const codec of codecs) {
        const output = new Uint8Array(page.length);
        t.is(codec.decompress(theirs, 0, theirs.length, output, 0, page.length), page.length);
        t.is(Buffer.compare(output, page), 0);
      }
    }
    t.is(i, originals.length);
    await folder.cleanup();
  });
}
