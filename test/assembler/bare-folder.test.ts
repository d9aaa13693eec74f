// Folders without any list of addresses: a complete set gives the same core as with one; with a blob gone, what is placed is right, and what fits more than one place is left out.
import test from 'ava';
import { placeFolder } from 'kdumpling/reader/minidump';
import { damagedValues, judge, outcome, placeMade } from './damage.js';
import { noise } from './made-dump.js';
import {
  fileName,
  filesOf,
  folderOf,
  IMAGE,
  type MadeMinidump,
  type MadeRegion,
  madeMinidump,
  RAM,
} from './made-minidump.js';

const bare = (files: ReadonlyMap<string, Uint8Array>) => outcome(() => placeFolder(folderOf(files, null)));

test('a complete set gives the same core, byte for byte', t => {
  const made = madeMinidump();
  const got = bare(filesOf(made.entries));
  t.deepEqual(judge(made, 'bare', got, { complete: true }), []);
  t.deepEqual(got.core?.core, outcome(() => placeMade(made)).core?.core);
});

/** Sizes that more than one region has. */
const ambiguous = ({ regions }: MadeMinidump, size: number): boolean =>
  regions.filter(({ bytes }) => bytes.length === size).length > 1;

test('with one blob gone, each in turn: nothing is guessed', t => {
  const made = madeMinidump();
  const wrong: string[] = [];
  // prb and the uts name are tied by VMCOREINFO, the active ring by what it points to.
  const tied = (region: MadeRegion) => [19, 22, 20].includes(region.seq);
  for (const gone of made.regions) {
    const files = filesOf(made.entries);
    files.delete(fileName(gone));
    const got = bare(files);
    const touched = made.regions.filter(
      region =>
        region === gone ||
        (ambiguous(made, region.bytes.length) && !(tied(region) && (region.seq !== 20 || gone.seq !== 22))),
    );
    const label = `${gone.name}${gone.seq} gone`;
    wrong.push(...judge(made, label, got, { touched, complete: false, named: /missing: / }));
    for (const region of touched) {
      if (got.core?.physical(BigInt(region.paddr), 1) !== null)
        wrong.push(`${label}: ${region.name}${region.seq} is placed`);
    }
    const doubtful = got.result?.regions.filter(({ status }) => status === 'doubtful').map(({ name }) => name);
    const expected = touched.filter(region => region !== gone).map(fileName);
    if (doubtful?.toSorted().join() !== expected.toSorted().join())
      wrong.push(`${label}: doubtful are ${doubtful?.join()}`);
  }
  t.deepEqual(wrong, []);
});

test('two program headers of one place: a lost blob is not taken for one that serves both', t => {
  // 44, 45, once more 45 under another virtual address, 46; the files are numbered 44 to 47.
  const alias = (regions: readonly MadeRegion[]) => [
    ...regions.slice(0, -1),
    { ...regions[regions.length - 2], vaddr: IMAGE + BigInt(regions[regions.length - 2].paddr - RAM) },
    regions[regions.length - 1],
  ];
  const made = madeMinidump({ headerOrder: alias });
  const [first, second, last] = made.regions.slice(-3);
  const whole = filesOf(made.entries);
  whole.delete(fileName(last));
  whole.set(fileName({ ...last, seq: 46 }), second.bytes);
  whole.set(fileName({ ...last, seq: 47 }), last.bytes);
  t.true(bare(whole).result?.complete);
  for (const gone of [first, second]) {
    const files = new Map(whole);
    files.delete(fileName(gone));
    const { core, result } = bare(files);
    t.false(result?.complete);
    for (const { name, seq, paddr, bytes } of made.regions) {
      const found = core?.physical(BigInt(paddr), bytes.length) ?? null;
      if (found !== null) t.deepEqual(found, Buffer.from(bytes), `${gone.seq} gone: ${name}${seq}`);
    }
  }
});

test('registrations out of the order of IDs: what is placed is right', t => {
  const late = (regions: readonly MadeRegion[]) => [
    ...regions.slice(1, 12),
    ...regions.slice(13),
    regions[12],
    regions[0],
  ];
  const made = madeMinidump({ headerOrder: late });
  const got = bare(filesOf(made.entries));
  const touched = made.regions.filter(({ bytes, seq }) => ambiguous(made, bytes.length) && ![19, 22, 20].includes(seq));
  t.deepEqual(judge(made, 'late', got, { touched, complete: false }), []);
});

test('a stale file and a copy beside a complete set', t => {
  const made = madeMinidump();
  const stale = filesOf(made.entries);
  stale.set('md_Kold99.BIN', noise(2224, 5));
  const touched = made.regions.filter(({ bytes, seq }) => ambiguous(made, bytes.length) && ![19, 22, 20].includes(seq));
  t.deepEqual(judge(made, 'stale', bare(stale), { touched, complete: false, named: /doubtful: md_Kold99/ }), []);
  const copied = filesOf(made.entries);
  copied.set('md_Kprb_inf24 (1).BIN', made.regions[11].bytes);
  t.deepEqual(judge(made, 'copy', bare(copied), { touched }), []);
  // Two of one size and different bytes: nobody can tell which is of this dump.
  const rival = filesOf(made.entries);
  rival.set('md_Kold99.BIN', noise(made.regions[11].bytes.length, 6));
  const got = bare(rival);
  t.deepEqual(judge(made, 'rival', got, { touched: [...touched, made.regions[11]], complete: false }), []);
  t.is(got.core?.physical(BigInt(made.regions[11].paddr), 1), null);
});

test('without a header nothing can be placed, and that is said', t => {
  const made = madeMinidump();
  const got = bare(filesOf(made.entries.slice(1)));
  t.regex(got.refused, /none of its 17 blobs can be tied .*header blob .*dump_info\.txt/);
});

test('without VMCOREINFO a complete set is still placed by order', t => {
  const made = madeMinidump();
  const [header, , ...rest] = made.entries;
  const got = bare(filesOf([header, ...rest]));
  t.deepEqual(judge(made, 'no VMCOREINFO', got, { complete: false, named: /no-vmcoreinfo: / }), []);
});

test('a damaged p_filesz, where p_memsz and the next p_offset agree, loses nothing', t => {
  const made = madeMinidump();
  const whole = made.entries[0].bytes;
  const wrong: string[] = [];
  // Behind the last one there is no p_offset.
  for (let index = 1; index < made.regions.length; index++) {
    for (const { what, bytes } of damagedValues(whole, 64 + 56 * index + 32, 8)) {
      made.entries[0].bytes = bytes;
      const named = new RegExp(`p_filesz of program header ${index} is`);
      wrong.push(...judge(made, `${index} ${what}`, bare(filesOf(made.entries)), { complete: false, named }));
    }
  }
  t.deepEqual(wrong, []);
});
