// Downstream dumps: the header damaged in each field, on every medium; names where there are no addresses; what crash is told.
import test from 'ava';
import { type Placement, placeFolder } from 'kdumpling/reader/minidump';
import { damagedValues, judge, outcome, placeImage } from './damage.js';
import { noise } from './made-dump.js';
import {
  fileName,
  filesOf,
  folderOf,
  infoLine,
  type MadeMinidump,
  type MadeRegion,
  ramOf,
  rawdumpOf,
} from './made-minidump.js';
import { madeMsm } from './made-msm.js';

const media: Record<string, (made: MadeMinidump) => Placement> = {
  folder: ({ entries }) => placeFolder(folderOf(filesOf(entries), entries.map(infoLine).join(''))),
  rawdump: ({ entries }) => placeImage('rawdump', rawdumpOf(entries).bytes),
  memory: ({ entries }) => placeImage('memory', ramOf(entries).bytes),
};

/** Sections only name regions, and repeat an address; nothing tells of the rest. */
const UNCONFIRMED =
  /^(EI_OSABI|e_entry|e_flags|e_shentsize|e_shnum|e_shstrndx|e_machine)$|p_flags$|p_align$|^phdr 0 (p_vaddr|p_memsz|p_type)$|^shdr 1 sh_|^shdr \d+ sh_(name|type|flags)$|^phdr \d+ p_type$/;

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: a complete downstream dump, its banner and the same core on all media`, t => {
    const made = madeMsm();
    const got = outcome(() => place(made));
    t.deepEqual(
      judge(made, medium, got, {
        complete: true,
        named: /no-vmcoreinfo-for-crash: .*kimage_voffset=0xffff7fff88000000/,
      }),
      [],
    );
    t.deepEqual(
      got.core?.physical(BigInt(made.banner.paddr), made.banner.bytes.length),
      Buffer.from(made.banner.bytes),
    );
    t.is(got.core?.segments[0].type, 4, 'crash takes the first program header for notes');
    t.deepEqual(got.core?.core, outcome(() => media['folder'](made)).core?.core);
  });

  test(`${medium}: each field of the downstream header`, t => {
    const made = madeMsm();
    const whole = made.entries[0].bytes;
    const wrong: string[] = [];
    for (const { name, at, size } of made.headerFields) {
      const index = Number(/^phdr (\d+)/.exec(name)?.[1] ?? 0);
      const touched = index === 0 ? [] : [made.regions[index - 1]];
      for (const { what, bytes } of damagedValues(whole, at, size)) {
        made.entries[0].bytes = bytes;
        const expected = { touched, ...(UNCONFIRMED.test(name) ? {} : { complete: false }) };
        wrong.push(
          ...judge(
            made,
            `${name} ${what}`,
            outcome(() => place(made)),
            expected,
          ),
        );
      }
    }
    t.deepEqual(wrong, []);
  });
}

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: the banner is where the rest of the image says, and as large as its section`, t => {
    const made = madeMsm();
    const whole = made.entries[0].bytes;
    const { paddr, bytes: text } = made.banner;
    for (const { name, at } of made.headerFields.filter(field => /^phdr 0 p_(paddr|filesz)$/.test(field.name))) {
      for (const { what, bytes } of damagedValues(whole, at, 8)) {
        made.entries[0].bytes = bytes;
        const { core, result } = outcome(() => place(made));
        t.false(result?.complete, `${name} ${what}`);
        const load = core?.loads.find(({ vaddr }) => vaddr === made.banner.vaddr);
        // With a size that no banner can have it is left out.
        if (load === undefined && name === 'phdr 0 p_filesz') continue;
        t.deepEqual([load?.paddr, load?.filesz], [BigInt(paddr), text.length], `${name} ${what}`);
        t.deepEqual(core?.physical(BigInt(paddr), text.length), Buffer.from(text), `${name} ${what}`);
      }
    }
  });
}

test('p_vaddr is held against the address in the section', t => {
  const made = madeMsm();
  const whole = made.entries[0].bytes;
  const field = made.headerFields.find(({ name }) => name === 'phdr 3 p_vaddr');
  for (const { bytes } of damagedValues(whole, field?.at ?? 0, 8)) {
    made.entries[0].bytes = bytes;
    const expected = { complete: false, named: /header-field: .*p_vaddr of program header 3 .*its section says/ };
    t.deepEqual(
      judge(
        made,
        'p_vaddr',
        outcome(() => media['folder'](made)),
        expected,
      ),
      [],
    );
  }
});

const bare = (files: ReadonlyMap<string, Uint8Array>) => outcome(() => placeFolder(folderOf(files, null)));

test('bare: names place what they tell apart', t => {
  const made = madeMsm();
  t.deepEqual(judge(made, 'complete', bare(filesOf(made.entries)), { complete: true }), []);
  const wrong: string[] = [];
  for (const gone of made.regions) {
    const files = filesOf(made.entries);
    files.delete(fileName(gone));
    // Two regions are called KTASK and are of one size: with one gone, nobody can tell which is left.
    const touched = made.regions.filter(
      (region: MadeRegion) => region === gone || (gone.name === 'KTASK' && region.name === 'KTASK'),
    );
    wrong.push(
      ...judge(made, `${gone.name}${gone.seq} gone`, bare(files), { touched, complete: false, named: /missing: / }),
    );
  }
  t.deepEqual(wrong, []);
});

test('bare: what the header does not name has no place, whatever its size', t => {
  const made = madeMsm();
  const files = filesOf(made.entries);
  const gone = made.regions[0];
  files.delete(fileName(gone));
  files.set('md_KEARLY.BIN', noise(gone.bytes.length, 9));
  const got = bare(files);
  const expected = { touched: [gone], complete: false, named: /doubtful: md_KEARLY\.BIN/ };
  t.deepEqual(judge(made, 'KEARLY', got, expected), []);
  t.is(got.core?.physical(BigInt(gone.paddr), 1), null);
});

for (const [medium, place] of Object.entries({
  ...media,
  bare: (made: MadeMinidump) => placeFolder(folderOf(filesOf(made.entries), null)),
})) {
  test(`${medium}: a p_offset that is another's, or nobody's, is told, and its region stays where it is`, t => {
    const made = madeMsm();
    const whole = made.entries[0].bytes;
    const offsets = made.headerFields.filter(({ name }) => /^phdr \d+ p_offset$/.test(name));
    const wrong: string[] = [];
    for (const { name, at } of offsets) {
      const others = offsets.filter(other => other.name !== name).map(other => whole.slice(other.at, other.at + 8));
      const beyond = new Uint8Array(8).fill(0xff);
      const between = whole.slice(at, at + 8);
      between[0] ^= 4;
      for (const value of [...others, beyond, between]) {
        const bytes = whole.slice();
        bytes.set(value, at);
        made.entries[0].bytes = bytes;
        const number = Number(/\d+/.exec(name)?.[0]);
        const named = new RegExp(`header-field: .*p_offset of program header ${number} `);
        const what = `${name} ${Buffer.from(value).toString('hex')}`;
        wrong.push(
          ...judge(
            made,
            what,
            outcome(() => place(made)),
            { complete: false, named },
          ),
        );
        const load = outcome(() => place(made)).core?.physical(BigInt(made.banner.paddr), made.banner.bytes.length);
        if (load === null || load === undefined || !load.equals(made.banner.bytes)) wrong.push(`${what}: no banner`);
      }
    }
    t.deepEqual(wrong, []);
  });
}

test('places of tables are told as they stand in the header', t => {
  for (const [field, at] of [
    ['e_phoff', 32],
    ['e_shoff', 40],
  ] as const) {
    const made = madeMsm();
    made.entries[0].bytes.set([0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0xf1], at);
    const named = new RegExp(`header-field: .*${field} at offset .* is 0xf123456789abcdef: `);
    t.deepEqual(
      judge(
        made,
        field,
        outcome(() => media['folder'](made)),
        { complete: false, named },
      ),
      [],
    );
  }
});

test('bare: virtual machines put their number into the names', t => {
  const made = madeMsm();
  const files = new Map(
    made.entries.map(entry => [fileName(entry).replace('md_', 'md_2d_').replace('.BIN', '.bin'), entry.bytes]),
  );
  t.deepEqual(judge(made, 'vm', bare(files), { complete: true }), []);
});

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: VMCOREINFO inside a region becomes the note`, t => {
    const text = (release: string) => `OSRELEASE=${release}\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffff800008001000\n`;
    const put = (made: MadeMinidump, name: string, offset: number, content: string) => {
      const region = made.regions.find(each => each.name === name) as MadeRegion;
      region.bytes.set(new TextEncoder().encode(`${content}\0`), offset);
    };
    // On a page, and, as before 4.13, anywhere in .bss.
    for (const offset of [0x1000, 0x1234]) {
      const made = madeMsm();
      put(made, 'KDATABSS', offset, text('5.15.0-made'));
      // The format string of the kernel is no VMCOREINFO.
      put(made, 'KROAIDATA', 0x400, 'OSRELEASE=%s\n');
      const got = outcome(() => place(made));
      const named = new RegExp(`vmcoreinfo-found: .*KDATABSS\\.BIN, ${offset} bytes`);
      t.deepEqual(judge(made, medium, got, { complete: true, named }), []);
      t.deepEqual(got.core?.notes('VMCOREINFO'), [text('5.15.0-made')]);
      t.deepEqual(got.core?.core, outcome(() => media['folder'](made)).core?.core);
    }
    // Of two that differ neither is taken.
    const two = madeMsm();
    put(two, 'KDATABSS', 0x1000, text('5.15.0-made'));
    put(two, 'KROAIDATA', 0x400, text('5.10.0-made'));
    t.deepEqual(outcome(() => place(two)).core?.notes('VMCOREINFO'), []);
  });
}
