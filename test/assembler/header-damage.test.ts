// The header blob damaged in each field, on every medium. What nothing else confirms may pass unnoticed; docs/assemble.md lists it.
import test from 'ava';
import { placeFolder } from 'kdumpling/reader/minidump';
import { damagedValues, judge, outcome, placeImage } from './damage.js';
import {
  fileName,
  filesOf,
  folderOf,
  infoLine,
  type MadeMinidump,
  madeMinidump,
  ramOf,
  rawdumpOf,
} from './made-minidump.js';

/** Nothing else tells what these should be. */
const UNCONFIRMED =
  /^(EI_OSABI|e_entry|e_flags|e_shoff|e_shentsize|e_shnum|e_shstrndx)$|^phdr [1-9]\d* (p_flags|p_vaddr|p_align)$|n_type$/;

const media: Record<string, (made: MadeMinidump) => ReturnType<typeof placeFolder>> = {
  folder: ({ entries }) => placeFolder(folderOf(filesOf(entries), entries.map(infoLine).join(''))),
  rawdump: ({ entries }) => placeImage('rawdump', rawdumpOf(entries).bytes),
  memory: ({ entries }) => placeImage('memory', ramOf(entries).bytes),
};

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: a complete dump is whole, and all media give one core`, t => {
    const made = madeMinidump();
    const got = outcome(() => place(made));
    t.deepEqual(judge(made, medium, got, { complete: true }), []);
    t.deepEqual(got.core?.notes('VMCOREINFO'), [made.vmcoreinfo]);
    t.deepEqual(got.core?.core, outcome(() => media['folder'](made)).core?.core);
  });

  test(`${medium}: each field of the header`, t => {
    const made = madeMinidump();
    const whole = made.entries[0].bytes;
    const wrong: string[] = [];
    let tried = 0;
    for (const { name, at, size } of made.headerFields) {
      const index = /^phdr (\d+)/.exec(name);
      const touched = index === null || index[1] === '0' ? [] : [made.regions[Number(index[1]) - 1]];
      for (const { what, bytes } of damagedValues(whole, at, size)) {
        made.entries[0].bytes = bytes;
        const unconfirmed = UNCONFIRMED.test(name);
        const expected = { touched, ...(unconfirmed ? {} : { complete: false }) };
        const got = outcome(() => place(made));
        wrong.push(...judge(made, `${name} ${what}`, got, expected));
        tried++;
      }
    }
    t.deepEqual(wrong, []);
    t.true(tried > 200);
  });

  test(`${medium}: a header that is gone, or is noise`, t => {
    const made = madeMinidump();
    const { bytes } = made.entries[0];
    for (const [what, header] of [
      ['zeros', new Uint8Array(bytes.length)],
      ['noise', bytes.map((byte, i) => (byte ^ (i * 37)) & 0xff)],
    ] as const) {
      made.entries[0].bytes = header;
      const got = outcome(() => place(made));
      t.is(got.refused, '', what);
      t.false(got.result?.complete, what);
      t.regex(got.result?.issues.map(({ message }) => message).join('\n') ?? '', /no blob is an ELF core header/);
      // Virtual addresses are lost with it; every byte stays at its physical address.
      for (const { name, seq, paddr, bytes: expected } of made.regions) {
        t.deepEqual(
          got.core?.physical(BigInt(paddr), expected.length),
          Buffer.from(expected),
          `${what}: ${name}${seq}`,
        );
      }
      t.is(got.core?.machine, 183, 'the uts name tells the architecture');
    }
  });
}

test('a header of another boot is not believed', t => {
  const made = madeMinidump();
  const other = madeMinidump();
  const files = filesOf(made.entries);
  // The other kernel lay elsewhere: all its physical addresses differ.
  const stale = other.entries[0].bytes.slice();
  const view = new DataView(stale.buffer);
  for (let i = 1; i <= other.regions.length; i++)
    view.setBigUint64(64 + 56 * i + 24, BigInt(0x9000_0000 + 4096 * i), true);
  files.set(fileName(made.entries[0]), stale);
  const got = outcome(() => placeFolder(folderOf(files, made.entries.map(infoLine).join(''))));
  t.false(got.result?.complete);
  t.true(got.result?.issues.some(({ code }) => code === 'header-of-another-dump'));
  for (const { name, paddr, bytes } of made.regions) {
    t.deepEqual(got.core?.physical(BigInt(paddr), bytes.length), Buffer.from(bytes), name);
  }
  t.false(got.core?.loads.some(({ paddr }) => paddr >= 0x9000_0000n && paddr < 0xa000_0000n));
});

test('a p_vaddr that VMCOREINFO contradicts', t => {
  const made = madeMinidump();
  const header = made.entries[0].bytes;
  for (const seq of [19, 22]) {
    const index = made.regions.findIndex(region => region.seq === seq);
    const region = made.regions[index];
    const at = 64 + 56 * (index + 1) + 16;
    for (const vaddr of [0n, region.vaddr + 0x1000n, region.vaddr ^ (1n << 63n)]) {
      const view = new DataView(header.buffer);
      view.setBigUint64(at, vaddr, true);
      for (const [medium, place] of Object.entries(media)) {
        const named = new RegExp(`header-field: .*p_vaddr of program header ${index + 1} is .*VMCOREINFO has`);
        const got = outcome(() => place(made));
        t.deepEqual(judge(made, `${medium} ${seq}`, got, { touched: [region], complete: false, named }), []);
      }
      view.setBigUint64(at, region.vaddr, true);
    }
  }
});
