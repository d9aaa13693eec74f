// The dumps that test/fixtures/make-dumps.py writes from the formats' descriptions alone: each word size, byte order and header version, PN_XNUM, sections without
// segments, streams rewritten out of order.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryFault, type PhysicalMemory } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { withDir } from 'tmp-promise';
import { peer, peerTest } from '../../peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/fixtures/make-dumps.py');

interface Read {
  readonly paddr: string;
  readonly length: number;
  readonly sha256?: string;
  readonly reason?: string;
}

interface Truth {
  readonly files?: readonly string[];
  readonly bits: number;
  readonly byteOrder: string;
  readonly pageSize: number | null;
  /** null: the version has no place for them. */
  readonly notes: readonly string[] | null;
  readonly reads: readonly Read[];
}

function outcome(physical: PhysicalMemory, { paddr, length }: Read): { sha256?: string; reason?: string } {
  try {
    return {
      sha256: createHash('sha256')
        .update(physical.bytes(Number(paddr), length))
        .digest('hex'),
    };
  } catch (error) {
    if (error instanceof MemoryFault) return { reason: error.reason };
    throw error;
  }
}

peerTest('dumps written by a script that knows only the formats', ['python3'], async t => {
  await withDir(
    async ({ path }) => {
      const made = peer('python3', [script, path], [path, dirname(script)]);
      t.is(made.status, 0, made.stderr);
      let dumps = 0;
      for (const name of readdirSync(path)) {
        const truth = JSON.parse(readFileSync(join(path, name, 'truth.json'), 'utf8')) as Truth;
        if (truth.files === undefined) continue;
        dumps++;
        const dump = await openFile(truth.files.map(file => join(path, name, file)));
        const { container, physical, pageSize, notes } = dump;
        t.is(container.bits, truth.bits as 32 | 64, name);
        t.is(container.littleEndian, truth.byteOrder === 'little', name);
        if (truth.pageSize !== null) t.is(pageSize, truth.pageSize, name);
        if (truth.notes !== null)
          t.deepEqual(
            notes.map(note => note.name),
            [...truth.notes],
            name,
          );
        for (const read of truth.reads) {
          const { sha256, reason } = read;
          t.deepEqual(outcome(physical, read), reason === undefined ? { sha256 } : { reason }, `${name} ${read.paddr}`);
        }
        dump.close();
      }
      t.true(dumps > 30, `${dumps} dumps`);
    },
    { unsafeCleanup: true },
  );
});
