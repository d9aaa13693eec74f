// Names of regions: cut short by drivers, given by the order of the kernel's header, or told by content; and what must not be guessed. Names and numbers are those of the postings
// (include/linux/meminspect.h, drivers/soc/qcom/minidump.c), written here by hand.
import test from 'ava';
import { AddressMap, Issues } from 'kdumpling/reader';
import { openSymbols } from 'kdumpling/reader/debuginfo';
import type { DumpRegion } from 'kdumpling/reader/formats/region-names';
import { decodeRegionNames, encodeRegionNames } from 'kdumpling/reader/formats/region-names';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { PiecesMemory } from '../pieces-memory.js';

const BASE = 0xffff_ffff_8100_0000n;
const SIZE = 1 << 16;

interface Made {
  readonly regions: DumpRegion[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: string[];
}

type Spec = readonly [name: string | null, size: number, content?: string | bigint];

/** Regions one behind the other with gaps, in the order given. */
function made(specs: readonly Spec[]): Made {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const regions: DumpRegion[] = [];
  let at = 64;
  for (const [name, size, content] of specs) {
    if (typeof content === 'string') bytes.set(new TextEncoder().encode(content), at);
    else if (content !== undefined) view.setBigUint64(at, content, true);
    regions.push({ name, vaddr: BASE + BigInt(at), paddr: at, size });
    at += size + 64;
  }
  return { regions, bytes, lines: [] };
}

function symbolsOf({ regions, bytes, lines }: Made): Record<string, bigint> {
  const physical = new PiecesMemory([{ paddr: 0, bytes }]);
  const virtual = new AddressMap(physical, [
    {
      first: BASE,
      last: BASE + BigInt(SIZE) - 1n,
      target: 0,
      name: 'made',
      method: 'linear',
      confirmedBy: '',
      partial: false,
    },
  ]);
  const text =
    lines.length === 0 ? null : Vmcoreinfo.decode(new TextEncoder().encode(`OSRELEASE=6.18.0\n${lines.join('\n')}\n`));
  const { symbols } = openSymbols({ physical, virtual, vmcoreinfo: text, regions });
  const layer = symbols.layers.find(({ source }) => source === 'regions');
  return Object.fromEntries([...(layer?.search(() => true) ?? [])].map(({ name, address }) => [name, address]));
}

const at = ({ regions }: Made, index: number): bigint => regions[index].vaddr ?? 0n;

test("upstream drivers' names: letters and number of one series", t => {
  const regions = made([
    ['Klinux_ba11', 64, 'Linux version 6.18.0 (made)'],
    ['Knr_threa12', 4],
    ['Kclear_se26', 24],
    // The driver's table calls number 29 so; the number is that of _sinittext.
    ['Ktk_data29', 8],
    ['Kunknown30', 8],
    ['Kunknown43', 288],
    ['Kunknown44', 100],
  ]);
  t.deepEqual(symbolsOf(regions), {
    linux_banner: at(regions, 0),
    nr_threads: at(regions, 1),
    clear_seq: at(regions, 2),
    _sinittext: at(regions, 3),
    _einittext: at(regions, 4),
    tk_data: at(regions, 5),
  });
});

test('numbers that no series gives leave letters that fit one name alone', t => {
  const regions = made([
    ['Kinit_uts12', 432],
    // It has no text of a banner: what lies behind one may be called so too.
    ['Klinux_ba13', 64],
    ['Kkallsyms40', 8],
    ['Kinit_mm3', 64],
    ['Kmine7', 64],
  ]);
  t.deepEqual(symbolsOf(regions), { init_uts_ns: at(regions, 0) });
});

test("names of Qualcomm's downstream driver: whole, or twelve letters of one name", t => {
  const regions = made([
    ['linux_banner', 64, 'Linux version 6.18.0 (made)'],
    ['__cpu_possib', 64],
    ['kallsyms_tok', 8],
    ['jiffies_64', 8],
    ['KDATABSS', 64],
    ['init_mm_pgd', 8],
    ['tainted', 8],
    [null, 64, 'Linux'],
  ]);
  t.deepEqual(symbolsOf(regions), {
    linux_banner: at(regions, 0),
    __cpu_possible_mask: at(regions, 1),
    jiffies_64: at(regions, 3),
  });
});

test('a name that two regions have, or that VMCOREINFO has elsewhere, is no one’s', t => {
  const twice = made([
    ['jiffies_64', 8],
    ['jiffies_64', 8],
    ['nr_threads', 4],
  ]);
  t.deepEqual(symbolsOf(twice), { nr_threads: at(twice, 2) });
  const elsewhere = made([['init_uts_ns', 432]]);
  elsewhere.lines.push(`SYMBOL(init_uts_ns)=${(at(elsewhere, 0) + 8n).toString(16)}`);
  t.deepEqual(symbolsOf(elsewhere), {});
});

const MASK = 0x3n;
/** meminspect v3 from ID 4 on: what it registers, with the sizes of a 64-bit kernel. */
const V3: readonly (readonly [name: string, size: number, content?: string | bigint])[] = [
  ['_totalram_pages', 8, 100n],
  ['__cpu_possible_mask', 64, MASK],
  ['__cpu_present_mask', 64, MASK],
  ['__cpu_online_mask', 64, 1n],
  ['__cpu_active_mask', 64, 1n],
  ['mem_section', 8, 0xffff_8880_0000_1000n],
  ['jiffies_64', 8],
  ['linux_banner', 64, 'Linux version 6.18.0 (made)'],
  ['nr_threads', 4],
  ['total_nr_irqs', 4],
  ['tainted_mask', 8],
  ['taint_flags', 60],
  ['node_states', 48],
  ['__per_cpu_offset', 512],
  ['nr_swapfiles', 4],
  ['init_uts_ns', 432],
  ['printk_rb_static', 88],
  ['printk_rb_dynamic', 88],
  ['prb', 8],
  ['prb_descs', 96],
  ['prb_infos', 88],
  ['prb_data', 128],
  ['clear_seq', 24],
  ['high_memory', 8],
  ['init_mm', 200],
];

function inOrder(change: (specs: Spec[]) => void = () => {}): { found: Record<string, bigint>; regions: DumpRegion[] } {
  const specs = V3.map(([, ...rest]): Spec => [null, ...rest]);
  change(specs);
  const made3 = made(specs);
  const hex = (size: number, after = 0) =>
    (made3.regions.slice(after).find(region => region.size === size)?.vaddr ?? 0n).toString(16);
  made3.lines.push(`SYMBOL(init_uts_ns)=${hex(432)}`, `SYMBOL(clear_seq)=${hex(24)}`);
  made3.lines.push('SYMBOL(mem_section)=ffff888000001000');
  return { found: symbolsOf(made3), regions: made3.regions };
}

test('without names: the order of IDs between regions that are known', t => {
  const { found, regions } = inOrder();
  // What lies behind the last that is known could be anything.
  const known = V3.slice(
    0,
    V3.findIndex(([name]) => name === 'high_memory'),
  );
  t.deepEqual(found, Object.fromEntries(known.map(([name], i) => [name, regions[i].vaddr])));
});

test('a stretch of which one region is missing, or has another size, has no names', t => {
  const index = (name: string) => V3.findIndex(([one]) => one === name);
  const missing = inOrder(specs => void specs.splice(index('nr_threads'), 1)).found;
  t.false('tainted_mask' in missing || 'nr_swapfiles' in missing);
  t.true('jiffies_64' in missing && '__cpu_online_mask' in missing && 'prb' in missing);
  const longer = inOrder(specs => void specs.splice(index('tainted_mask'), 1, [null, 16])).found;
  t.false('tainted_mask' in longer || 'nr_threads' in longer);
  t.true('prb' in longer);
});

test('masks of CPUs that run, but cannot, are none', t => {
  const { found } = inOrder(specs => void specs.splice(3, 1, [null, 64, 4n]));
  t.false('__cpu_online_mask' in found || '_totalram_pages' in found);
  t.true('jiffies_64' in found);
});

test('too few known regions say nothing, but the banner is known by itself', t => {
  const { found, regions } = inOrder(specs => void specs.splice(5, 1, [null, 8]));
  t.deepEqual(found, { linux_banner: regions[7].vaddr });
});

test('the note of regions, byte by byte, and what is damaged in it', t => {
  const note = encodeRegionNames(
    [
      { name: 'Kprb22', vaddr: BASE, paddr: 0x1000, size: 8 },
      { name: null, vaddr: null, paddr: 0x2000, size: 16 },
    ],
    true,
  );
  const expected = [
    '01000000 02000000',
    '00000081ffffffff 0010000000000000 0800000000000000 06000000 4b7072623232 000000000000',
    'ffffffffffffffff 0020000000000000 1000000000000000 00000000 00000000',
  ];
  t.is(Buffer.from(note.descriptor).toString('hex'), expected.join('').replaceAll(' ', ''));
  t.deepEqual([note.name, note.type], ['KDUMPLING', 0x4b45]);
  const issues = new Issues();
  t.is(decodeRegionNames(note, true, issues).length, 2);
  t.is(issues.count, 0);
  const spoilt = (offset: number, value: number) => {
    const descriptor = note.descriptor.slice();
    new DataView(descriptor.buffer).setUint32(offset, value, true);
    const told = new Issues();
    const { length } = decodeRegionNames({ ...note, descriptor }, true, told);
    return [length, told.has('region-names-note')];
  };
  // Version, count, the length of the first name, the physical address of the second region.
  t.deepEqual(spoilt(0, 2), [0, true]);
  t.deepEqual(spoilt(4, 3), [2, true]);
  t.deepEqual(spoilt(4, 0xffff_ffff), [0, true]);
  t.deepEqual(spoilt(32, 0x7fff_ffff), [0, true]);
  t.deepEqual(spoilt(48 + 12, 0xffff_ffff), [1, true]);
  t.deepEqual(spoilt(8, 0), [2, false]);
});
