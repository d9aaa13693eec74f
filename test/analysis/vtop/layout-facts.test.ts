// How kernels lie in their address space: against what drgn found, what the guests' own consoles and QEMU said, and by hand where VMCOREINFO is silent.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { attachPageTables, layoutFacts } from 'kdumpling/analysis/vtop';
import { openSymbols } from 'kdumpling/reader/debuginfo';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth, realVmlinux } from '../../real.js';
import { dumpOf, GOOD, INFO, memory, ROOT } from './small-kernel.js';

type Facts = ReadonlyMap<string, { readonly value: unknown; readonly from: string }>;

async function factsOf(name: string, vmlinux: string | null = null): Promise<Facts> {
  const dump = await openFile(realDump(`${name}.elf`));
  const file = vmlinux === null ? null : new FileSource(vmlinux);
  try {
    const { symbols, shift } = openSymbols(dump, file === null ? {} : { vmlinux: file });
    const facts = layoutFacts(dump, attachPageTables(dump), symbols, file === null ? null : shift);
    return new Map(facts.map(({ key, value, from }) => [key.replace(/^linux\./, ''), { value, from }]));
  } finally {
    file?.close();
    dump.close();
  }
}

const value = (facts: Facts, name: string): unknown => facts.get(name)?.value;

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const file = realTruth(`${name}/json/meta.json`);
  realTest(`${name}: tables, base and offset are those that drgn found`, [realDump(`${name}.elf`), file], async t => {
    const meta = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    const facts = await factsOf(name);
    t.is(value(facts, 'page_tables.root'), BigInt(meta['swapper_pg_dir_phys']));
    t.is(value(facts, 'page_tables.levels'), Number(meta['page_table_levels']));
    t.is(value(facts, 'phys_base'), BigInt(meta['phys_base']));
    t.is(value(facts, 'kaslr_offset'), BigInt(meta['KERNELOFFSET']));
    t.is(value(facts, 'va_bits'), 48);
    t.deepEqual(facts.get('page_tables.mode'), {
      value: 'x86_64, 4 levels',
      from: 'swapper_pg_dir, confirmed by _stext',
    });
  });
}

realTest('arm64-6.1: what the kernel printed of itself', [realDump('arm64-6.1.elf')], async t => {
  const facts = await factsOf('arm64-6.1');
  t.is(value(facts, 'kaslr_offset'), 0x3142b0200000n);
  t.is(value(facts, 'kimage_voffset'), 0xffffb14278000000n);
  t.is(value(facts, 'phys_offset'), 0x40000000n);
  t.is(value(facts, 'stext_paddr'), 0x40210000n);
  t.deepEqual(facts.get('va_bits'), { value: 48, from: 'VMCOREINFO (64 - TCR_EL1_T1SZ)' });
});

realTest(
  's390x-6.1: the root is where control register 1 points',
  [realDump('s390x-6.1.elf'), realTruth('s390x-6.1/qmp.txt')],
  async t => {
    const asce = BigInt(`0x${/C13=([0-9a-f]+)/.exec(readFileSync(realTruth('s390x-6.1/qmp.txt'), 'utf8'))?.[1]}`);
    t.is(value(await factsOf('s390x-6.1'), 'page_tables.root'), asce & ~0xfffn);
  },
);

realTest(
  'i386-6.1: no KERNELOFFSET: the vmlinux tells how far the kernel was moved',
  [realDump('i386-6.1.elf'), realVmlinux('i386-6.1')],
  async t => {
    t.false((await factsOf('i386-6.1')).has('kaslr_offset'));
    const facts = await factsOf('i386-6.1', realVmlinux('i386-6.1'));
    t.deepEqual(facts.get('kaslr_offset'), { value: 0x4000000n, from: 'computed from _stext and the vmlinux' });
    t.is(value(facts, 'page_tables.mode'), 'i386, PAE');
  },
);

const factsOfInfo = (info: string) => {
  const dump = dumpOf(memory(GOOD), info, true);
  const { symbols } = openSymbols(dump);
  return layoutFacts(dump, attachPageTables(dump), symbols, null);
};

test('phys_base where VMCOREINFO does not tell it: from where the tables lead', t => {
  const facts = factsOfInfo(`${INFO}${ROOT}SYMBOL(_stext)=ffffffff81000000\n`);
  t.deepEqual(
    facts.filter(({ key }) => /phys_base|stext_paddr|va_bits/.test(key)),
    [
      { key: 'linux.va_bits', value: 48, from: 'page tables' },
      { key: 'linux.stext_paddr', value: 0x20_0000n, from: 'page tables' },
      { key: 'linux.phys_base', value: -0xe0_0000n, from: 'computed from _stext by page tables' },
    ],
  );
});

test('without tables and symbols there is nothing to tell', t => {
  t.deepEqual(factsOfInfo('OSRELEASE=6.1.0\nPAGESIZE=4096\n'), []);
});
