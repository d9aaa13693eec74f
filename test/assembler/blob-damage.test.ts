// Blobs deleted, cut short, too long, swapped, doubled, stale, unlisted, out of order, encrypted, cut off by a full partition: on every medium every other region
// stays at its place, and each fault is named.
import test from 'ava';
import { type Placement, placeFolder } from 'kdumpling/reader/minidump';
import { judge, outcome, placeImage, placeMade } from './damage.js';
import { noise } from './made-dump.js';
import {
  type Entry,
  fileName,
  filesOf,
  folderOf,
  IMAGE,
  infoLine,
  type MadeMinidump,
  type MadeRegion,
  madeMinidump,
  RAM,
  ramOf,
  rawdumpOf,
} from './made-minidump.js';

/** The media, made of what firmware finds (`entries`) over the memory that there is. */
const media: Record<string, (entries: readonly Entry[], memory: readonly Entry[]) => Placement> = {
  folder: entries => placeFolder(folderOf(filesOf(entries), entries.map(infoLine).join(''))),
  rawdump: entries => placeImage('rawdump', rawdumpOf(entries).bytes),
  memory: (entries, memory) => placeImage('memory', ramOf(entries, memory).bytes),
};

const regionEntry = (made: MadeMinidump, region: MadeRegion): Entry =>
  made.entries.find(({ paddr }) => paddr === region.paddr) as Entry;
const label = ({ name, seq }: { name: string; seq: number }): string => `${name}${seq}`;

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: one region deleted, each in turn`, t => {
    const made = madeMinidump();
    const wrong: string[] = [];
    for (const region of made.regions) {
      const entries = made.entries.filter(({ paddr }) => paddr !== region.paddr);
      const got = outcome(() => place(entries, made.entries));
      wrong.push(...judge(made, label(region), got, { touched: [region], complete: false, named: /^missing: /m }));
      const rows = got.result?.regions.filter(({ paddr }) => paddr === region.paddr).map(({ status }) => status);
      if (rows?.join() !== 'missing') wrong.push(`${label(region)} is ${rows?.join()}`);
      if (got.core?.physical(BigInt(region.paddr), 1) !== null) wrong.push(`${label(region)} is not a hole`);
    }
    t.deepEqual(wrong, []);
  });

  test(`${medium}: header or VMCOREINFO deleted`, t => {
    const made = madeMinidump();
    const headless = outcome(() => place(made.entries.slice(1), made.entries));
    t.false(headless.result?.complete);
    for (const { name, paddr, bytes } of made.regions) {
      t.deepEqual(headless.core?.physical(BigInt(paddr), bytes.length), Buffer.from(bytes), name);
    }
    const [header, , ...rest] = made.entries;
    const without = outcome(() => place([header, ...rest], [header, ...rest]));
    t.deepEqual(judge(made, 'VMCOREINFO', without, { complete: false, named: /no-vmcoreinfo: / }), []);
    t.deepEqual(without.core?.notes('VMCOREINFO'), []);
  });

  test(`${medium}: cut short and too long`, t => {
    const made = madeMinidump();
    const wrong: string[] = [];
    for (const region of made.regions.filter(({ bytes }) => bytes.length > 40)) {
      for (const [status, bytes] of [
        ['short', region.bytes.subarray(0, 40)],
        ['long', Uint8Array.from([...region.bytes, ...new Uint8Array(24).fill(0xee)])],
      ] as const) {
        const entries = made.entries.map(entry => (entry.paddr === region.paddr ? { ...entry, bytes } : entry));
        const got = outcome(() => place(entries, made.entries));
        const expected = { touched: [region], complete: false, named: new RegExp(`${status}: .*${label(region)}`) };
        wrong.push(...judge(made, `${label(region)} ${status}`, got, expected));
        const rows = got.result?.regions.filter(({ paddr }) => paddr === region.paddr).map(({ status: word }) => word);
        if (rows?.join() !== status) wrong.push(`${label(region)} is ${rows?.join()}, not ${status}`);
        const load = got.core?.loads.find(({ paddr }) => paddr === BigInt(region.paddr));
        if (load?.filesz !== Math.min(bytes.length, region.bytes.length))
          wrong.push(`${label(region)}: ${load?.filesz} bytes`);
      }
    }
    t.deepEqual(wrong, []);
  });

  test(`${medium}: doubled`, t => {
    const made = madeMinidump();
    const region = made.regions[10];
    const copy = { ...regionEntry(made, region), seq: 90 };
    const got = outcome(() => place([...made.entries, copy], made.entries));
    t.deepEqual(judge(made, 'doubled', got, { named: /duplicate: .*90/ }), []);
    const rows = got.result?.regions.filter(({ paddr }) => paddr === region.paddr).map(({ status }) => status);
    t.deepEqual(rows, ['ok', 'duplicate']);
    t.is(got.core?.loads.filter(({ paddr }) => paddr === BigInt(region.paddr)).length, 1);
  });

  test(`${medium}: regions in the table that the header lacks`, t => {
    const made = madeMinidump();
    const extra = [noise(2048, 91), noise(8, 92)].map((bytes, i): MadeRegion => {
      return { name: 'Kearly', seq: 60 + i, paddr: RAM + 0x6_0000 + 4096 * i, vaddr: 0n, bytes };
    });
    const entries = extra.map(({ name, seq, paddr, bytes }): Entry => ({ name, seq, paddr, bytes, valid: 0x56414c49 }));
    // Registered first, so that they shift every index.
    const all = [made.entries[0], made.entries[1], ...entries, ...made.entries.slice(2)];
    const got = outcome(() => place(all, all));
    t.deepEqual(judge(made, 'unlisted', got, { named: /unlisted: .*60/, more: extra }), []);
    for (const { paddr, bytes } of extra) {
      t.deepEqual(got.core?.physical(BigInt(paddr), bytes.length), Buffer.from(bytes));
      // The linear map that CONFIG and the run queues prove.
      t.is(
        got.core?.loads.find(load => load.paddr === BigInt(paddr))?.vaddr,
        0xffff_0000_0000_0000n + BigInt(paddr - RAM),
      );
      t.deepEqual(
        got.result?.regions.filter(row => row.paddr === paddr).map(({ status }) => status),
        ['unlisted'],
      );
    }
  });

  test(`${medium}: registrations out of the order of IDs`, t => {
    const late = (regions: readonly MadeRegion[]) => [
      ...regions.slice(2, 9),
      ...regions.slice(10),
      regions[9],
      regions[1],
      regions[0],
    ];
    const made = madeMinidump({ headerOrder: late });
    const got = outcome(() => place(made.entries, made.entries));
    t.deepEqual(judge(made, 'late', got, { complete: true }), []);
    const order = got.core?.loads.map(({ paddr }) => Number(paddr));
    t.deepEqual(
      order,
      late(made.regions).map(({ paddr }) => paddr),
      'PT_LOADs keep the order of the header',
    );
  });

  test(`${medium}: two regions that trade names`, t => {
    const made = madeMinidump();
    const [a, b] = [made.entries[7], made.entries[12]];
    const entries = made.entries.map(entry =>
      entry === a ? { ...a, name: b.name, seq: b.seq } : entry === b ? { ...b, name: a.name, seq: a.seq } : entry,
    );
    // Addresses say where they belong; names are only told.
    t.deepEqual(
      judge(
        made,
        'names',
        outcome(() => place(entries, made.entries)),
        {},
      ),
      [],
    );
  });

  test(`${medium}: not a byte changes with the medium, for each damage alike`, t => {
    const made = madeMinidump();
    for (const drop of [2, 9, 17]) {
      const entries = made.entries.filter((_, i) => i !== drop);
      const folder = outcome(() => media['folder'](entries, made.entries));
      t.deepEqual(outcome(() => place(entries, made.entries)).core?.core, folder.core?.core);
    }
  });
}

test('folder: files swapped, of different sizes', t => {
  const made = madeMinidump();
  const [a, b] = [made.regions[10], made.regions[11]];
  const files = filesOf(made.entries);
  files.set(fileName(a), b.bytes);
  files.set(fileName(b), a.bytes);
  const got = outcome(() => placeFolder(folderOf(files, made.entries.map(infoLine).join(''))));
  const expected = { touched: [a, b], complete: false, named: /swapped: .*Kprb_des23[\s\S]*swapped: .*Kprb_inf24/ };
  t.deepEqual(judge(made, 'swapped', got, expected), []);
  for (const { paddr } of [a, b]) {
    t.is(got.core?.physical(BigInt(paddr), 1), null);
    t.true(got.result?.regions.some(row => row.paddr === paddr && row.status === 'doubtful'));
  }
});

test('folder: files of one size swapped, where content tells', t => {
  const made = madeMinidump();
  const [jiffies, prb, tainted] = [made.regions[1], made.regions[9], made.regions[4]];
  const files = filesOf(made.entries);
  files.set(fileName(prb), jiffies.bytes);
  files.set(fileName(jiffies), prb.bytes);
  const info = made.entries.map(infoLine).join('');
  const got = outcome(() => placeFolder(folderOf(files, info)));
  const named = /content-disagrees: md_Kprb22.*content-disagrees: md_Kjiffies10.*swapped/;
  t.deepEqual(judge(made, 'swapped', got, { touched: [prb, jiffies], complete: false, named }), []);
  for (const { paddr } of [prb, jiffies]) t.is(got.core?.physical(BigInt(paddr), 1), null);
  // Where nothing tells, nothing can be said: docs/assemble.md warns of it.
  const silent = filesOf(made.entries);
  silent.set(fileName(tainted), jiffies.bytes);
  silent.set(fileName(jiffies), tainted.bytes);
  t.true(outcome(() => placeFolder(folderOf(silent, info))).result?.complete);
});

test('folder: a stale file that no list names, one like a lost region, and one in the place of a region', t => {
  const made = madeMinidump();
  const info = made.entries.map(infoLine).join('');
  const files = filesOf(made.entries);
  files.set('md_Kold99.BIN', noise(2222, 5));
  const loose = outcome(() => placeFolder(folderOf(files, info)));
  t.deepEqual(judge(made, 'loose', loose, { complete: false, named: /doubtful: md_Kold99\.BIN .*earlier dump/ }), []);
  // It has the size of the only region that is gone, and is not taken for it.
  const gone = made.regions[11];
  files.delete(fileName(gone));
  files.set('md_Kold99.BIN', noise(gone.bytes.length, 5));
  const lookalike = outcome(() => placeFolder(folderOf(files, info)));
  const expected = { touched: [gone], complete: false, named: /missing: .*Kprb_inf24[\s\S]*doubtful: md_Kold99/ };
  t.deepEqual(judge(made, 'lookalike', lookalike, expected), []);
  t.is(lookalike.core?.physical(BigInt(gone.paddr), 1), null);
  // A banner of another kernel where this one's should be.
  const banner = made.entries[4];
  banner.bytes = banner.bytes.map((byte, i) => (i === 14 ? 0x39 : byte));
  t.true(outcome(() => placeMade(made)).result?.issues.some(({ code }) => code === 'release-differs'));
});

test('folder: a copy that no list names', t => {
  const made = madeMinidump();
  const files = filesOf(made.entries);
  files.set('md_Kprb_inf24 (1).BIN', made.regions[11].bytes);
  const got = outcome(() => placeFolder(folderOf(files, made.entries.map(infoLine).join(''))));
  t.deepEqual(judge(made, 'copy', got, { named: /duplicate: .*\(1\)/ }), []);
});

test('folder: two files for one place with different bytes: neither is taken', t => {
  const made = madeMinidump();
  const region = made.regions[11];
  const other = { ...regionEntry(made, region), seq: 90, bytes: noise(region.bytes.length, 77) };
  made.entries.push(other);
  const got = outcome(() => placeMade(made));
  t.deepEqual(
    judge(made, 'contradiction', got, { touched: [region], complete: false, named: /doubtful: .*other bytes/ }),
    [],
  );
  t.is(got.core?.physical(BigInt(region.paddr), 1), null);
});

test('folder: VMCOREINFO cut short, of another dump, and twice', t => {
  const made = madeMinidump();
  const info = made.entries[1];
  const whole = info.bytes;
  info.bytes = whole.subarray(0, 400);
  const short = outcome(() => placeMade(made));
  t.deepEqual(judge(made, 'short', short, { complete: false, named: /vmcoreinfo-size: / }), []);
  t.is(short.core?.notes('VMCOREINFO')[0], made.vmcoreinfo.slice(0, 400));
  info.bytes = whole;
  const files = filesOf(made.entries);
  files.set(
    'md_Kvmcorei9.BIN',
    whole.map((byte, i) => (i === 12 ? 0x37 : byte)),
  );
  const stale = outcome(() => placeFolder(folderOf(files, made.entries.map(infoLine).join(''))));
  t.deepEqual(judge(made, 'stale', stale, { complete: false, named: /doubtful: md_Kvmcorei9/ }), []);
  t.deepEqual(stale.core?.notes('VMCOREINFO'), [made.vmcoreinfo]);
});

test('encrypted blobs: keys beside them, a header without magic', t => {
  const made = madeMinidump();
  const cipher = made.entries.map((entry, i) => ({ ...entry, bytes: noise(entry.bytes.length, 200 + i) }));
  const key: Entry = { name: 'encr_key_aes', seq: 0, paddr: 0, bytes: noise(32, 3), valid: 0x56414c49 };
  for (const entries of [[...cipher, key], cipher]) {
    for (const medium of ['folder', 'rawdump']) {
      const placement = media[medium](entries, entries);
      t.not(placement.encrypted, null, medium);
      t.true(placement.regions.every(({ status }) => status === 'encrypted'));
      t.deepEqual(placement.segments, []);
      t.regex(outcome(() => media[medium](entries, entries)).refused, /encrypted/);
    }
  }
});

test('memory: entries that the table calls invalid', t => {
  const made = madeMinidump();
  const region = made.regions[11];
  const entries = made.entries.map(entry => (entry.paddr === region.paddr ? { ...entry, valid: 0x494e5641 } : entry));
  const got = outcome(() => media['memory'](entries, made.entries));
  t.deepEqual(judge(made, 'invalid', got, { touched: [region], complete: false, named: /invalid: / }), []);
  t.is(got.core?.physical(BigInt(region.paddr), 1), null);
  t.deepEqual(
    got.result?.regions.filter(({ paddr }) => paddr === region.paddr).map(({ status }) => status),
    ['invalid'],
  );
});

test('rawdump: a partition that ran out of space, at each section and within', t => {
  const made = madeMinidump();
  const image = rawdumpOf(made.entries, 2);
  const wrong: string[] = [];
  // The header and VMCOREINFO come first.
  for (let i = 2; i < image.payloads.length; i++) {
    for (const into of [0, 3]) {
      const end = image.payloads[i] + into;
      const touched = made.regions.slice(i - 2);
      const got = outcome(() => placeImage('rawdump', image.bytes.subarray(0, end)));
      const expected = { touched, complete: false, named: /rawdump-flags: .*too small/, mayRefuse: i === 2 };
      wrong.push(...judge(made, `cut at ${end}`, got, expected));
    }
  }
  t.deepEqual(wrong, []);
});

test('folder: a file cut by less than the 4 bytes that sizes are rounded to', t => {
  const made = madeMinidump();
  const region = made.regions.find(({ bytes }) => bytes.length === 4) as MadeRegion;
  const info = made.entries.map(infoLine).join('');
  for (const length of [1, 2, 3]) {
    const files = filesOf(made.entries);
    files.set(fileName(regionEntry(made, region)), region.bytes.subarray(0, length));
    const got = outcome(() => placeFolder(folderOf(files, info)));
    const expected = { touched: [region], complete: false, named: new RegExp(`short: .*${length} bytes are there`) };
    t.deepEqual(judge(made, `cut at ${length}`, got, expected), []);
    t.is(got.core?.physical(BigInt(region.paddr), 4), null);
  }
});

/** The last region but one under two virtual addresses, with a blob for each; files lie where `move` says. */
function aliased(move: (entry: Entry) => number) {
  const made = madeMinidump({
    headerOrder: regions => [
      ...regions.slice(0, -1),
      { ...regions[regions.length - 2], vaddr: IMAGE + BigInt(regions[regions.length - 2].paddr - RAM) },
      ...regions.slice(-1),
    ],
  });
  const last = made.entries.pop() as Entry;
  made.entries.push({ ...made.entries[made.entries.length - 1], seq: 90 }, last);
  const info = made.entries.map(entry => infoLine({ ...entry, paddr: move(entry) })).join('');
  return { made, got: outcome(() => placeFolder(folderOf(filesOf(made.entries), info))) };
}

test('folder: two blobs for one place, the address of one damaged', t => {
  t.deepEqual(
    judge(aliased(({ paddr }) => paddr).made, 'whole', aliased(({ paddr }) => paddr).got, { complete: true }),
    [],
  );
  for (const seq of [45, 90]) {
    const { made, got } = aliased(entry => entry.paddr + (entry.seq === seq ? 0x1_0000 : 0));
    const named = new RegExp(`table-field: .*address of md_Kunknown${seq}`);
    t.deepEqual(judge(made, `${seq}`, got, { complete: false, named }), []);
    t.is(got.core?.physical(BigInt(made.regions[14].paddr + 0x1_0000), 1), null);
  }
});

test('folder: damaged addresses that no neighbour mends leave blobs out', t => {
  const made = madeMinidump();
  // Two in a row: neither has both neighbours.
  const gone = [made.regions[7], made.regions[8]];
  const info = made.entries
    .map(entry =>
      infoLine({ ...entry, paddr: entry.paddr + (gone.some(({ seq }) => seq === entry.seq) ? 0x1_0000 : 0) }),
    )
    .join('');
  const got = outcome(() => placeFolder(folderOf(filesOf(made.entries), info)));
  t.deepEqual(
    judge(made, 'two', got, { touched: gone, complete: false, named: /doubtful: .*one of the two addresses/ }),
    [],
  );
  for (const { paddr } of gone) {
    t.is(got.core?.physical(BigInt(paddr + 0x1_0000), 1), null);
    const row = got.result?.regions.find(region => region.paddr === paddr + 0x1_0000);
    t.is(row?.status, 'doubtful');
  }
});
