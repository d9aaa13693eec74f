// Addresses in the header that contradict the kernel's maps: where no list tells addresses, a region with one of its two addresses damaged is not placed; where one does, its virtual address is not believed.
import test from 'ava';
import { type Placement, placeFolder } from 'kdumpling/reader/minidump';
import { damagedValues, judge, outcome, placeImage } from './damage.js';
import {
  fileName,
  filesOf,
  folderOf,
  infoLine,
  LINEAR,
  type MadeMinidump,
  type MadeRegion,
  madeMinidump,
  RAM,
  ramOf,
  rawdumpOf,
} from './made-minidump.js';
import { madeMsm } from './made-msm.js';

const bare = ({ entries }: MadeMinidump) => outcome(() => placeFolder(folderOf(filesOf(entries), null)));
const media: Record<string, (made: MadeMinidump) => Placement> = {
  folder: ({ entries }) => placeFolder(folderOf(filesOf(entries), entries.map(infoLine).join(''))),
  rawdump: ({ entries }) => placeImage('rawdump', rawdumpOf(entries).bytes),
  memory: ({ entries }) => placeImage('memory', ramOf(entries).bytes),
};

/** Where the program header of region `index` is in an upstream header, and its fields. */
const VADDR = 16;
const PADDR = 24;
const fieldAt = (index: number, field: number): number => 64 + 56 * (index + 1) + field;

/** First and last of the image: no VMCOREINFO of this dump says how far it goes. */
const atAnEnd = ({ seq }: MadeRegion): boolean => seq === 10 || seq === 25;

test('bare: a region whose two addresses do not fit is left out, whichever of them is damaged', t => {
  const made = madeMinidump();
  const whole = made.entries[0].bytes;
  const wrong: string[] = [];
  let tried = 0;
  made.regions.forEach((region, i) => {
    for (const field of [PADDR, VADDR]) {
      if (atAnEnd(region)) continue;
      for (const { what, bytes } of damagedValues(whole, fieldAt(i, field), 8)) {
        const damaged = new DataView(bytes.buffer).getBigUint64(fieldAt(i, field), true);
        // A virtual address out of all maps may be a vmalloc address.
        const inMaps = damaged >= 0xffff_0000_0000_0000n && damaged % 4096n === region.vaddr % 4096n;
        if (field === VADDR && !inMaps && damaged % 4096n === region.vaddr % 4096n) continue;
        if (field === VADDR && damaged === 0n) continue;
        made.entries[0].bytes = bytes;
        const got = bare(made);
        const label = `${fileName(region)} ${field === PADDR ? 'p_paddr' : 'p_vaddr'} ${what}`;
        const named = new RegExp(`header-field: .*program header ${i + 1} is .*${fileName(region)} is left out`);
        wrong.push(...judge(made, label, got, { touched: [region], complete: false, named }));
        const row = got.result?.regions.find(({ name }) => name === fileName(region));
        if (row?.status !== 'doubtful') wrong.push(`${label}: ${row?.status}`);
        const places = new Set(made.regions.map(({ paddr }) => BigInt(paddr)));
        for (const { paddr, filesz } of got.core?.loads ?? [])
          if (filesz > 0 && !places.has(paddr)) wrong.push(`${label}: something lies at 0x${paddr.toString(16)}`);
        tried++;
      }
    }
  });
  t.deepEqual(wrong, []);
  t.true(tried > 100);
});

test('bare: the linear map is known beyond its first and last region', t => {
  const made = madeMinidump();
  const last = made.regions.length - 1;
  for (const index of [0, last]) {
    const header = made.entries[0].bytes.slice();
    new DataView(header.buffer).setBigUint64(fieldAt(index, PADDR), BigInt(made.regions[index].paddr + 0x4_0000), true);
    const got = bare({ ...made, entries: [{ ...made.entries[0], bytes: header }, ...made.entries.slice(1)] });
    t.deepEqual(judge(made, `${index}`, got, { touched: [made.regions[index]], complete: false }), []);
    t.is(got.core?.physical(BigInt(made.regions[index].paddr + 0x4_0000), 4), null);
  }
});

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: a p_vaddr among regions of another distance is told and not believed`, t => {
    const made = madeMinidump();
    const header = made.entries[0].bytes;
    const view = new DataView(header.buffer);
    made.regions.forEach((region, i) => {
      // VMCOREINFO tells these two.
      if (['Kinit_ut', 'Kprb'].includes(region.name)) return;
      const at = fieldAt(i, VADDR);
      for (const vaddr of [LINEAR + BigInt(region.paddr - RAM) + 0x1000n, region.vaddr + 1n]) {
        view.setBigUint64(at, vaddr, true);
        const got = outcome(() => place(made));
        const named = new RegExp(`header-field: .*p_vaddr of program header ${i + 1} is .*left unknown`);
        t.deepEqual(judge(made, region.name, got, { touched: [region], complete: false, named }), []);
        const load = got.core?.loads.find(({ paddr }) => paddr === BigInt(region.paddr));
        t.is(load?.vaddr, 2n ** 64n - 1n);
        t.deepEqual(got.core?.physical(BigInt(region.paddr), region.bytes.length), Buffer.from(region.bytes));
      }
      view.setBigUint64(at, region.vaddr, true);
    });
  });
}

for (const [medium, place] of Object.entries(media)) {
  test(`${medium}: a p_paddr that becomes that of two other regions is mended`, t => {
    const whole = madeMinidump();
    // Registered twice: the eight bytes of Ktainted under another name.
    const twin = whole.regions.findIndex(({ name }) => name === 'Ktainted');
    const again = whole.regions.findIndex(({ name }) => name === 'Kprb');
    const moved = whole.regions.findIndex(({ name }) => name === 'Kjiffies');
    const { paddr, vaddr, bytes } = whole.regions[twin];
    const regions = whole.regions.with(again, { ...whole.regions[again], paddr, vaddr, bytes });
    const entries = whole.entries.with(again + 2, { ...whole.entries[again + 2], paddr, bytes });
    const made: MadeMinidump = { ...whole, regions, entries };
    const view = new DataView(entries[0].bytes.buffer);
    view.setBigUint64(fieldAt(again, VADDR), vaddr, true);
    view.setBigUint64(fieldAt(again, PADDR), BigInt(paddr), true);
    const sound = outcome(() => place(made));
    t.deepEqual(judge(made, 'sound', sound, {}), []);
    t.notRegex(JSON.stringify(sound.result?.issues), /p_paddr|p_vaddr of program header (2|5)/);
    view.setBigUint64(fieldAt(moved, PADDR), BigInt(paddr), true);
    const named = new RegExp(`header-field: .*p_paddr of program header ${moved + 1} is`);
    const got = outcome(() => place(made));
    t.deepEqual(judge(made, 'moved', got, { complete: false, named }), []);
    t.notRegex(JSON.stringify(got.result?.issues), /p_vaddr/);
  });
}

test('bare, downstream: the section confirms the virtual address, so the physical one is mended', t => {
  const made = madeMsm();
  const whole = made.entries[0].bytes;
  const wrong: string[] = [];
  for (const { name, at } of made.headerFields.filter(field => /^phdr [1-9]\d* p_paddr$/.test(field.name))) {
    const index = Number(name.split(' ')[1]);
    // First and last region of a map: no VMCOREINFO tells how far the maps go.
    if (index !== 4 && index !== 6) continue;
    for (const { what, bytes } of damagedValues(whole, at, 8)) {
      made.entries[0].bytes = bytes;
      const named = new RegExp(`header-field: .*p_paddr of program header ${index} is .*its section has too`);
      wrong.push(...judge(made, `${name} ${what}`, bare(made), { complete: false, named }));
    }
  }
  t.deepEqual(wrong, []);
});
