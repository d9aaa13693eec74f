// debug-kinfo areas that none of our code wrote: test/fixtures/make-dumps.py makes one of each layout from its description alone, other bytes behind it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeKinfo } from 'kdumpling/reader/formats/debug-kinfo';
import { withDir } from 'tmp-promise';
import { peer, peerTest } from '../../peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/fixtures/make-dumps.py');
const SIZES = [216, 452, 464, 468, 472, 484, 504];

interface Truth {
  readonly file: string;
  readonly size: number;
  readonly fields: Readonly<Record<string, number | string>>;
}

peerTest('each layout of a debug-kinfo area is told from the others', ['python3'], async t => {
  await withDir(
    async ({ path }) => {
      const made = peer('python3', [script, path, ...SIZES.map(size => `kinfo-${size}`)], [path, dirname(script)]);
      t.is(made.status, 0, made.stderr);
      t.is(readdirSync(path).length, SIZES.length);
      for (const name of readdirSync(path)) {
        const truth = JSON.parse(readFileSync(join(path, name, 'truth.json'), 'utf8')) as Truth;
        const { kinfo, why } = decodeKinfo(readFileSync(join(path, name, truth.file)));
        t.is(kinfo?.layout.size, truth.size, `${name} ${why}`);
        const expected = Object.values(truth.fields).map(value => (typeof value === 'number' ? BigInt(value) : value));
        t.deepEqual(
          kinfo?.layout.fields.map(field => kinfo.values[field.name]),
          expected,
          name,
        );
      }
    },
    { unsafeCleanup: true },
  );
});
