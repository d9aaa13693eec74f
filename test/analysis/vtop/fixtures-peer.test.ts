// The answers that stand in the fixtures, as libkdumpfile's addrxlat gives them: another hand's reading of the same manuals.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peer, peerTest } from '../../peer.js';
import { fixtureNames, folder } from './fixture.js';

const script = join(fileURLToPath(import.meta.url), '../../../../../test/peers/addrxlat-fixtures.py');

/** What addrxlat has no page tables for. */
const UNSUPPORTED = [
  'arm-lpae.data',
  'ppc64-hash-4k.data',
  'ppc64-hash-64k.data',
  'ppc64-radix-4k.data',
  'ppc64-radix-64k.data',
  'real-arm-lpae.data',
  'real-ppc64-hash-64k.data',
  'real-ppc64-radix-4k.data',
];

/** Where addrxlat (0.5.5) differs from the manuals: the question's address -> what it says. */
const MISTAKEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // It takes 49 bits of an LPA2 descriptor where there are 50.
  'arm64-4k-52.data': { '0xfff0000240000005': '0xdffffc0000005', '0xfff0000280000005': '0x4000000200005' },
  // It takes 47 bits of an LPA descriptor where there are 48.
  'arm64-64k-52.data': { '0xfff000005fff1234': '0x87fffffff1234' },
  // It knows no Svnapot.
  'riscv64-sv39.data': { '0xffffffc040410678': '0x92348678', '0xffffffc040415678': '0x92348678' },
  'real-riscv64-sv39.data': { '0x3fb9ba0123': '0x800c8123', '0x3fb9ba2123': '0x800c8123' },
  'real-riscv64-sv48.data': { '0x7fff94bc0123': '0x800c8123', '0x7fff94bc2123': '0x800c8123' },
  'real-riscv64-sv57.data': { '0x7fffae5c0123': '0x800c8123', '0x7fffae5c2123': '0x800c8123' },
  // It compares indices with quarters, and is not told how long the table of an ASCE is.
  's390x-kernel-3-levels.data': {
    '0x2a0000010': 'Segment table index 512 not within 1 and 2',
    '0x2dff00010': 'Segment table index 1535 not within 1 and 2',
  },
  's390x-asce.data': { '0x3ff80304020': '0x3456020' },
};

interface Said {
  readonly name: string;
  readonly unsupported?: string;
  readonly asked?: number;
  readonly wrong?: readonly (readonly [question: string, said: string])[];
}

peerTest('libkdumpfile translates the fixtures to the same places', ['python3'], t => {
  const files = fixtureNames.map(name => join(folder, name));
  const { status, stdout, stderr } = peer('python3', [script, ...files], [folder]);
  t.is(status, 0, stderr);
  const all = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Said);
  t.deepEqual(
    all.map(({ name }) => name),
    fixtureNames,
  );
  t.deepEqual(
    all.filter(({ unsupported }) => unsupported !== undefined).map(({ name }) => name),
    UNSUPPORTED,
  );
  let asked = 0;
  for (const { name, wrong = [], asked: count = 0 } of all) {
    asked += count;
    const expected = MISTAKEN[name] ?? {};
    t.deepEqual(
      wrong.map(([question, said]) => [question.split(' ').find(word => word in expected) ?? question, said]),
      Object.entries(expected),
      name,
    );
  }
  t.true(asked > 100);
});
