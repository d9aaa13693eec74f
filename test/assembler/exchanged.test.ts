// Addresses that lists exchange: two regions of one size are never taken for each other where anything contradicts, and a file is one region, however often a list names it.
import test from 'ava';
import { type Placement, placeFolder } from 'kdumpling/reader/minidump';
import { judge, outcome, placeImage } from './damage.js';
import {
  type Entry,
  fileName,
  filesOf,
  folderOf,
  infoLine,
  type MadeMinidump,
  madeMinidump,
  rawdumpOf,
  scriptOf,
} from './made-minidump.js';
import { madeMsm } from './made-msm.js';

type Lists = (files: MadeMinidump['entries'], first: readonly Entry[], script: readonly Entry[] | null) => Placement;

/** The first list of each medium, and load.cmm beside it unless it is null. */
const media: Record<string, Lists> = {
  folder: (files, first, script) => {
    const all = filesOf(files);
    if (script !== null) all.set('load.cmm', scriptOf(script));
    return placeFolder(folderOf(all, first.map(infoLine).join('')));
  },
  rawdump: (_, first, script) =>
    placeImage('rawdump', rawdumpOf(first, 1, script === null ? null : scriptOf(script)).bytes),
};

/** `entries` with the addresses of two exchanged, or the second's address given to the first as well. */
const exchanged = (entries: readonly Entry[], a: number, b: number, both = true): Entry[] =>
  entries.map((entry, i) => {
    if (i === a) return { ...entry, paddr: entries[b].paddr };
    return i === b && both ? { ...entry, paddr: entries[a].paddr } : entry;
  });

function* pairs({ entries }: MadeMinidump): Iterable<[number, number]> {
  for (let a = 1; a < entries.length; a++)
    for (let b = a + 1; b < entries.length; b++) if (entries[a].bytes.length === entries[b].bytes.length) yield [a, b];
}

const regionOf = (made: MadeMinidump, entry: Entry) => made.regions.filter(({ paddr }) => paddr === entry.paddr);

/** Every pair: what is placed is right, and neither of the two is. */
function wrongOf(made: MadeMinidump, place: (a: number, b: number) => Placement, left: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const [a, b] of pairs(made)) {
    const two = [made.entries[a], made.entries[b]];
    const touched = two.flatMap(entry => regionOf(made, entry));
    const got = outcome(() => place(a, b));
    const label = two.map(fileName).join(' and ');
    wrong.push(...judge(made, label, got, { touched, complete: false, named: /addresses-differ: .*left out/ }));
    for (const entry of two) {
      const status = got.result?.regions.find(({ name }) => name === fileName(entry))?.status ?? 'none';
      if (!left.includes(status)) wrong.push(`${label}: ${fileName(entry)} is ${status}`);
    }
  }
  return wrong;
}

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: two addresses exchanged in one list, right in load.cmm`, t => {
    for (const made of [madeMinidump(), madeMsm()]) {
      const { entries } = made;
      t.true([...pairs(made)].length > 1);
      const first = (a: number, b: number) => place(entries, exchanged(entries, a, b), entries);
      t.deepEqual(wrongOf(made, first, ['doubtful']), []);
      const script = (a: number, b: number) => place(entries, entries, exchanged(entries, a, b));
      t.deepEqual(wrongOf(made, script, ['doubtful']), []);
    }
  });

  test(`${medium}: two addresses exchanged in the only list, against the names of a downstream header`, t => {
    const made = madeMsm();
    const { entries } = made;
    // Two are called KTASK: their names tell nothing, and nothing else does.
    const named = { ...made, entries: entries.filter(({ name }) => name !== 'KTASK') };
    const wrong: string[] = [];
    for (const [a, b] of pairs(named)) {
      const two = [named.entries[a], named.entries[b]];
      const list = exchanged(entries, entries.indexOf(two[0]), entries.indexOf(two[1]));
      const touched = two.flatMap(entry => regionOf(made, entry));
      const got = outcome(() => place(entries, list, null));
      wrong.push(...judge(made, two.map(fileName).join(), got, { touched, complete: false, named: /left out/ }));
    }
    t.deepEqual(wrong, []);
  });

  test(`${medium}: one address given to two regions: the one that has it by both lists keeps it`, t => {
    const made = madeMinidump();
    const { entries } = made;
    const wrong: string[] = [];
    for (const [x, y] of pairs(made)) {
      for (const [a, b] of [
        [x, y],
        [y, x],
      ]) {
        const got = outcome(() => place(entries, exchanged(entries, a, b, false), entries));
        const label = `${fileName(entries[a])} at the address of ${fileName(entries[b])}`;
        wrong.push(...judge(made, label, got, { complete: false, named: /addresses-differ/ }));
      }
    }
    t.deepEqual(wrong, []);
  });
}

test('a file that two lines of dump_info.txt name is one region', t => {
  const made = madeMinidump();
  const { entries } = made;
  const wrong: string[] = [];
  let tried = 0;
  for (let a = 2; a < entries.length; a++) {
    for (let b = 0; b < entries.length; b++) {
      if (a === b) continue;
      const info = entries.map((entry, i) => {
        const line = infoLine(entry);
        return i === a ? line.replace(/\S+\n$/, `${fileName(entries[b])}\n`) : line;
      });
      const got = outcome(() => placeFolder(folderOf(filesOf(entries), info.join(''))));
      const label = `${fileName(entries[b])} in the line of ${fileName(entries[a])}`;
      const touched = [entries[a], entries[b]].flatMap(entry => regionOf(made, entry));
      wrong.push(...judge(made, label, got, { touched, complete: false }));
      // The bytes of one are nowhere else.
      const own = got.core?.physical(BigInt(entries[a].paddr), entries[a].bytes.length) ?? null;
      if (own !== null && !own.equals(entries[a].bytes)) wrong.push(`${label}: shown at its place`);
      tried++;
    }
  }
  t.deepEqual(wrong, []);
  t.true(tried > 200);
});
