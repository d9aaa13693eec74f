// Each list and table damaged in each field: dump_info.txt, load.cmm, the rawdump header and sections, SMEM, the minidump tables, the region records.
import test from 'ava';
import { placeFolder } from 'kdumpling/reader/minidump';
import { damagedValues, judge, outcome, placeImage } from './damage.js';
import {
  type Field,
  fileName,
  filesOf,
  folderOf,
  infoLine,
  type MadeMinidump,
  type MadeRegion,
  madeMinidump,
  ramOf,
  rawdumpOf,
} from './made-minidump.js';

/** The region that entry `index` of a table is about; the first two are the header and VMCOREINFO. */
const regionOf = (made: MadeMinidump, index: number): MadeRegion[] => (index < 2 ? [] : [made.regions[index - 2]]);

/** The entry that a field belongs to, or -1. */
const entryOf = ({ name }: Field): number => Number(/^(?:section|region) (\d+)/.exec(name)?.[1] ?? -1);

/** Nothing else tells what these should be, or nobody needs them. */
const RAWDUMP_UNCONFIRMED =
  /^(version|dump_size|total_required)$|^section \d+ (flags|info|name|type)$|^section [01] address$/;
const MEMORY_UNCONFIRMED =
  /^region \d+ (name|seq_num)|^\$PRT offset_free_cached|^item 602 (size|padding_data)|^subsystem encryption|^global (status|enabled)/;
/** Values that are as good: the lower half of SMEM's version, a free offset past the last item. */
const AS_GOOD = /^(smem version \+(1|256)|\$PRT offset_free_uncached \+1)$/;

test('rawdump: each field of header and sections', t => {
  const made = madeMinidump();
  const image = rawdumpOf(made.entries);
  const wrong: string[] = [];
  for (const field of image.fields) {
    for (const { what, bytes } of damagedValues(image.bytes, field.at, field.size)) {
      const expected = {
        touched: regionOf(made, entryOf(field)),
        ...(RAWDUMP_UNCONFIRMED.test(field.name) ? {} : { complete: false }),
        mayRefuse: field.name === 'signature',
      };
      wrong.push(
        ...judge(
          made,
          `${field.name} ${what}`,
          outcome(() => placeImage('rawdump', bytes)),
          expected,
        ),
      );
    }
  }
  t.deepEqual(wrong, []);
});

test('memory: each field of SMEM, of the tables and of the region records', t => {
  const made = madeMinidump();
  const image = ramOf(made.entries);
  const wrong: string[] = [];
  for (const field of image.fields) {
    for (const { what, bytes } of damagedValues(image.bytes, field.at, field.size)) {
      const label = `${field.name} ${what}`;
      const expected = {
        touched: regionOf(made, entryOf(field)),
        ...(MEMORY_UNCONFIRMED.test(label) || AS_GOOD.test(label) ? {} : { complete: false }),
      };
      wrong.push(
        ...judge(
          made,
          `${field.name} ${what}`,
          outcome(() => placeImage('memory', bytes)),
          expected,
        ),
      );
    }
  }
  t.deepEqual(wrong, []);
});

test('memory: SMEM overwritten, the region table overwritten', t => {
  const made = madeMinidump();
  const { bytes, fields } = ramOf(made.entries);
  const smem = fields.find(({ name }) => name === 'smem version') as Field;
  const table = fields.find(({ name }) => name === 'region 0 name') as Field;
  for (const [what, at, length] of [
    ['SMEM', smem.at - 0x5c, 0x2_0000],
    ['the region table', table.at, 40 * made.entries.length],
  ] as const) {
    const image = bytes.slice();
    image.fill(0xee, at, at + length);
    const got = outcome(() => placeImage('memory', image));
    t.deepEqual(judge(made, what, got, { complete: false }), []);
    t.deepEqual(got.core?.notes('VMCOREINFO'), [made.vmcoreinfo], what);
  }
});

const COLUMNS: Record<string, (line: string) => string> = {
  'address 0': line => line.replace(/0x[0-9a-f]+/, '0x0'),
  'address + 4': line =>
    line.replace(/0x([0-9a-f]+)/, (_, digits: string) => `0x${(Number.parseInt(digits, 16) + 4).toString(16)}`),
  'address of another': line => line.replace(/0x[0-9a-f]+/, '0x0000000080010000'),
  'address past 2^53': line => line.replace(/0x[0-9a-f]+/, '0xffffffffffffffff'),
  'address no number': line => line.replace(/0x[0-9a-f]+/, 'xyz'),
  'size 0': line => line.replace(/\t *\d+\t/, '\t0\t'),
  'size + 4': line => line.replace(/\t *(\d+)\t/, (_, digits: string) => `\t${Number(digits) + 4}\t`),
  'size huge': line => line.replace(/\t *\d+\t/, '\t9007199254740992\t'),
  'size no number': line => line.replace(/\t *\d+\t/, '\tmany\t'),
  'file not there': line => line.replace(/\S+\n$/, 'md_Knothing.BIN\n'),
  'cut off': line => `${line.slice(0, 30)}\n`,
  'run together with the next': line => line.slice(0, 30),
  'line gone': () => '',
};

test('folder: each column of dump_info.txt', t => {
  const made = madeMinidump();
  const files = filesOf(made.entries);
  const wrong: string[] = [];
  for (const [what, change] of Object.entries(COLUMNS)) {
    for (let i = 0; i < made.entries.length; i++) {
      const info = made.entries.map((entry, j) => (i === j ? change(infoLine(entry)) : infoLine(entry))).join('');
      if (info === made.entries.map(infoLine).join('')) continue;
      // Another region may own the address that a damaged line claims.
      const touched = [
        ...regionOf(made, i),
        ...(what === 'address of another' ? [made.regions[0]] : []),
        ...(what.startsWith('run') && i + 1 < made.entries.length ? regionOf(made, i + 1) : []),
      ];
      const label = `${what} of ${fileName(made.entries[i])}`;
      // The header and VMCOREINFO are known by what they hold: where they lay is of no use to the core.
      const expected = { touched, ...(i < 2 ? {} : { complete: false }) };
      wrong.push(
        ...judge(
          made,
          label,
          outcome(() => placeFolder(folderOf(files, info))),
          expected,
        ),
      );
    }
  }
  t.deepEqual(wrong, []);
});

test('folder: load.cmm alone, and beside a dump_info.txt that says otherwise', t => {
  const made = madeMinidump();
  const script = (shift: number) =>
    new TextEncoder().encode(
      made.entries
        .map(
          (entry, i) =>
            `d.load.binary ${fileName(entry)} 0x${(entry.paddr + (i === 8 ? shift : 0)).toString(16)} /noclear\r\n`,
        )
        .join(''),
    );
  const alone = new Map([...filesOf(made.entries), ['load.cmm', script(0)] as const]);
  t.deepEqual(
    judge(
      made,
      'load.cmm',
      outcome(() => placeFolder(folderOf(alone, null))),
      { complete: true },
    ),
    [],
  );
  const both = new Map([...filesOf(made.entries), ['load.cmm', script(0x40)] as const]);
  const info = made.entries.map(infoLine).join('');
  const differs = outcome(() => placeFolder(folderOf(both, info)));
  t.deepEqual(
    judge(made, 'load.cmm differs', differs, { complete: false, named: /addresses-differ: .*load\.cmm/ }),
    [],
  );
  // The header decides which of the two is right.
  const wrongInfo = made.entries
    .map((entry, i) => infoLine(i === 8 ? { ...entry, paddr: entry.paddr + 0x40 } : entry))
    .join('');
  const mended = outcome(() =>
    placeFolder(folderOf(new Map([...filesOf(made.entries), ['load.cmm', script(0)] as const]), wrongInfo)),
  );
  t.deepEqual(judge(made, 'dump_info.txt differs', mended, { complete: false, named: /addresses-differ/ }), []);
});

test('folder: an address of 0 is an address', t => {
  const made = madeMinidump();
  const entry = made.entries[2];
  entry.paddr = 0;
  // p_vaddr, of no map that other regions are in, and p_paddr of the first PT_LOAD.
  const vaddr = 0xffff_9000_0000_0000n;
  const header = new DataView(made.entries[0].bytes.buffer);
  header.setBigUint64(64 + 56 + 16, vaddr, true);
  header.setBigUint64(64 + 56 + 24, 0n, true);
  const regions = made.regions.map((region, i) => (i === 0 ? { ...region, paddr: 0, vaddr } : region));
  const info = made.entries.map(infoLine).join('');
  const script = made.entries.map(each => `d.load.binary ${fileName(each)} 0x${each.paddr.toString(16)} /noclear\n`);
  const lists: Record<string, [string | null, string | null]> = {
    'dump_info.txt': [info, null],
    'load.cmm': [null, script.join('')],
    both: [info, script.join('')],
  };
  for (const [what, [list, load]] of Object.entries(lists)) {
    const files = filesOf(made.entries);
    if (load !== null) files.set('load.cmm', new TextEncoder().encode(load));
    const got = outcome(() => placeFolder(folderOf(files, list)));
    t.deepEqual(judge({ ...made, regions }, what, got, { complete: true }), []);
  }
  // Where the other list knows better, it is told.
  const elsewhere = made.entries
    .map(each => infoLine(each === made.entries[5] ? { ...each, paddr: 0 } : each))
    .join('');
  const files = filesOf(made.entries);
  files.set('load.cmm', new TextEncoder().encode(script.join('')));
  const got = outcome(() => placeFolder(folderOf(files, elsewhere)));
  t.deepEqual(
    judge({ ...made, regions }, 'differs', got, { complete: false, named: /addresses-differ: .* at 0x0 / }),
    [],
  );
});

test('a size that is less than the header has by 1 to 3 bytes is damage, not rounding', t => {
  const made = madeMinidump();
  const image = ramOf(made.entries);
  const index = 12;
  const region = made.regions[index - 2];
  const field = image.fields.find(({ name }) => name === `region ${index} size`) as Field;
  const phdr = made.headerFields.find(({ name }) => name === 'phdr 2 p_filesz') as Field;
  for (const less of [1, 2, 3]) {
    const size = region.bytes.length - less;
    const bytes = image.bytes.slice();
    new DataView(bytes.buffer).setBigUint64(field.at, BigInt(size), true);
    const memory = outcome(() => placeImage('memory', bytes));
    const named = new RegExp(`table-field: .*size of md_Kprb_des23.*short: md_Kprb_des23.*${size} bytes are there`);
    t.deepEqual(judge(made, `memory ${less}`, memory, { touched: [region], complete: false, named }), []);
    t.is(memory.result?.regions.find(({ paddr }) => paddr === region.paddr)?.status, 'short');
    // The file itself is whole.
    const info = made.entries.map((entry, i) => {
      const line = infoLine(entry);
      return i === index ? line.replace(/\t *\d+\t/, `\t${size}\t`) : line;
    });
    const folder = outcome(() => placeFolder(folderOf(filesOf(made.entries), info.join(''))));
    const told = { complete: false, named: /table-field: .*size of md_Kprb_des23/ };
    t.deepEqual(judge(made, `folder ${less}`, folder, told), []);
    const header = made.entries[0].bytes;
    const whole = header.slice();
    new DataView(header.buffer).setBigUint64(phdr.at, BigInt(made.regions[1].bytes.length - less), true);
    const damaged = outcome(() => placeFolder(folderOf(filesOf(made.entries), made.entries.map(infoLine).join(''))));
    header.set(whole);
    t.deepEqual(judge(made, `header ${less}`, damaged, { complete: false, named: /p_filesz of program header 2/ }), []);
  }
});

test('values past 2^53 are told as they stand', t => {
  const made = madeMinidump();
  const value = 0xc801_0203_0405_0607n;
  const told = (got: ReturnType<typeof outcome>) => got.result?.issues.map(({ message }) => message).join('\n') ?? '';
  for (const name of ['p_offset', 'p_paddr', 'p_filesz', 'p_memsz']) {
    const field = made.headerFields.find(each => each.name === `phdr 2 ${name}`) as Field;
    const header = made.entries[0].bytes;
    const whole = header.slice();
    new DataView(header.buffer).setBigUint64(field.at, value, true);
    const got = outcome(() => placeFolder(folderOf(filesOf(made.entries), made.entries.map(infoLine).join(''))));
    header.set(whole);
    t.regex(told(got), new RegExp(`${name} of program header [12] is 0x${value.toString(16)}: `));
  }
  const image = rawdumpOf(made.entries);
  for (const name of ['offset', 'size']) {
    const field = image.fields.find(each => each.name === `section 5 ${name}`) as Field;
    const bytes = image.bytes.slice();
    new DataView(bytes.buffer).setBigUint64(field.at, value, true);
    const got = outcome(() => placeImage('rawdump', bytes));
    t.regex(told(got), new RegExp(`${name} of ${fileName(made.entries[5])} is 0x${value.toString(16)}: `));
  }
});
