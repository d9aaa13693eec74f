// What a dump promises and does not have makes an answer about the whole of it an answer in part: exit status 1 of info and convert alike.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElfWalk } from '../elf-walk.js';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

/** Where field `at` of the last program header lies in a 64-bit core. */
function lastSegment(core: Buffer, at: number): number {
  return Number(core.readBigUInt64LE(32)) + 56 * (core.readUInt16LE(56) - 1) + at;
}

const FORMATS = ['elf', 'kdump-zlib', 'raw'];

coreTest('a core with all that it promises: 0', (t, core, folder) => {
  t.is(kdumpling('info', core).status, 0);
  for (const to of FORMATS) t.is(kdumpling('convert', core, '-o', join(folder, to), '--to', to).status, 0, to);
});

coreTest('a core cut short: 1', (t, core, folder) => {
  truncateSync(core, readFileSync(core).length - 5);
  const info = kdumpling('info', core);
  t.is(info.status, 1);
  t.regex(info.stderr, /\[truncated\]/);
  for (const to of FORMATS) {
    const { status, stderr } = kdumpling('convert', core, '-o', join(folder, to), '--to', to);
    t.is(status, 1, to);
    t.regex(stderr, /\[truncated\]/);
  }
});

coreTest(
  'a segment at an address that no machine has: 1, and the address as it stands in the file',
  (t, core, folder) => {
    const bytes = readFileSync(core);
    bytes.writeBigUInt64LE(0xc000_0000_0000_0123n, lastSegment(bytes, 24));
    writeFileSync(core, bytes);
    const info = kdumpling('info', core);
    t.is(info.status, 1);
    t.regex(info.stderr, /at physical address 0xc000000000000123, which no machine has.*\[segment-address\]/);
    for (const to of FORMATS) {
      const out = join(folder, to);
      const { status, stdout } = kdumpling('convert', core, '-o', out, '--to', to, '--json');
      t.is(status, 1, to);
      const { issues } = JSON.parse(stdout) as { issues: { code: string }[] };
      t.true(
        issues.some(({ code }) => code === 'segment-address'),
        to,
      );
    }
    // All else is there.
    const walk = new ElfWalk(readFileSync(join(folder, 'elf')));
    t.is(walk.loads.length, new ElfWalk(bytes).loads.length - 1);
  },
);
