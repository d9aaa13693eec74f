import { readFileSync } from 'node:fs';
import test from 'ava';
import {
  ARCHITECTURES,
  type Architecture,
  architectureByElfMachine,
  architectureByName,
  type MapProbe,
} from 'kdumpling/reader/arch';
import { NT_PRSTATUS } from 'kdumpling/reader/formats/notes';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth } from '../../real.js';

const arch = (name: string): Architecture => {
  const found = architectureByName(name);
  if (found === null) throw new Error(`no architecture ${name}`);
  return found;
};

/** sizeof(struct elf_prstatus) as kernels of each architecture write it, and the offset of the program counter, by hand from its pt_regs. */
const PRSTATUS: readonly (readonly [name: string, size: number, pid: number, pc: number])[] = [
  ['x86_64', 336, 32, 112 + 16 * 8],
  ['i386', 144, 24, 72 + 12 * 4],
  ['arm64', 392, 32, 112 + 32 * 8],
  ['arm', 148, 24, 72 + 15 * 4],
  ['riscv64', 376, 32, 112],
  ['ppc64', 504, 32, 112 + 32 * 8],
  ['s390x', 336, 32, 120],
  ['loongarch64', 480, 32, 112 + 33 * 8],
  ['mips64', 480, 32, 112 + 34 * 8],
];

for (const [name, size, pid, pc] of PRSTATUS) {
  test(`elf_prstatus of ${name}`, t => {
    const { prstatus, prpsinfoSize, bits } = arch(name);
    t.is(prstatus.size, size);
    t.is(prstatus.pid, pid);
    t.is(prstatus.registers.find(one => one.name === prstatus.programCounter)?.offset, pc);
    t.truthy(prstatus.registers.find(one => one.name === prstatus.stackPointer));
    t.is(new Set(prstatus.registers.map(one => one.name)).size, prstatus.registers.length);
    t.true(prstatus.registers.every(one => one.offset + one.size <= prstatus.registersAt + prstatus.registersSize));
    t.is(prpsinfoSize, bits === 64 ? 136 : 124);
  });
}

test('architectures are found by machine and by the names that kernels give themselves', t => {
  t.is(architectureByElfMachine(62)?.name, 'x86_64');
  t.is(architectureByElfMachine(183)?.name, 'arm64');
  t.is(architectureByElfMachine(22)?.name, 's390x');
  t.is(architectureByElfMachine(9999), null);
  t.is(architectureByName('aarch64')?.name, 'arm64');
  t.is(architectureByName('i686')?.name, 'i386');
  t.is(architectureByName('armv7l')?.name, 'arm');
  t.is(architectureByName('ppc64le')?.name, 'ppc64');
  t.is(architectureByName('Unknown'), null);
  const names = ARCHITECTURES.flatMap(one => one.machineNames);
  t.is(new Set(names).size, names.length);
});

const probe = (more: Partial<MapProbe> = {}): MapProbe => ({
  memoryStart: 0x4000_0000,
  memoryEnd: 0x8000_0000,
  variable: () => null,
  ...more,
});

const info = (...lines: string[]) => new Vmcoreinfo(lines.map(line => `${line}\n`).join(''));

test('i386: lowmem ends where memory does: vmalloc addresses may follow', t => {
  const lasts = (memoryEnd: number) =>
    [...arch('i386').linearRanges(info('SYMBOL(_stext)=c5000000'), probe({ memoryEnd }))].map(({ last }) => last);
  // 768 MiB less what firmware keeps; 0xf0814000 is a module's there.
  t.is(lasts(0x2ffd_d000)[0], 0xeffd_cfffn);
  // With more memory than lowmem may be, the rest is highmem.
  t.is(lasts(0x1_0000_0000)[0], 0xf7ff_ffffn);
});

test('x86_64: the linear map takes as many TiB as memory needs: vmalloc space may begin behind them', t => {
  const end = (memoryEnd: number) =>
    [...arch('x86_64').linearRanges(info('NUMBER(pgtable_l5_enabled)=0'), probe({ memoryEnd }))].map(
      ({ last }) => last,
    )[0];
  t.is(end(4 * 2 ** 30), 0xffff_897f_ffff_ffffn);
  t.is(end(2 ** 40), 0xffff_897f_ffff_ffffn);
  t.is(end(2 ** 40 + 4096), 0xffff_8a7f_ffff_ffffn);
  // No more than there is room for with four levels.
  t.is(end(2 ** 50), 0xffff_c87f_ffff_ffffn);
});

test('arm: lowmem leaves room for vmalloc, whose addresses are in page tables', t => {
  const lasts = (memoryEnd: number) =>
    [...arch('arm').linearRanges(info('SYMBOL(_stext)=c0300000'), probe({ memoryEnd }))].map(({ last }) => last);
  // 512 MiB at 1 GiB: a guest's vmallocinfo begins at 0xe0800000.
  t.is(lasts(0x6000_0000)[0], 0xdfff_ffffn);
  // 1 GiB: at 0xf0800000.
  t.is(lasts(0x8000_0000)[0], 0xefff_ffffn);
});

test('arm64: a 52-bit build on 48-bit hardware has a biased PHYS_OFFSET', t => {
  // 6.12 on a CPU without LVA: memory at 1 GiB is mapped at 0xffff000000000000.
  const [linear] = arch('arm64').linearRanges(
    info('NUMBER(VA_BITS)=52', 'NUMBER(PHYS_OFFSET)=0xfff1000040000000', 'NUMBER(MODULES_VADDR)=0xffff800000000000'),
    probe(),
  );
  t.is(BigInt.asUintN(64, 0xffff_0000_0000_0000n - linear.offset), 0x4000_0000n);
  t.is(linear.last, 0xffff_7fff_ffff_ffffn);
});

test('arm64: up to 5.3 the linear map is the upper half of kernel addresses', t => {
  const [, linear] = arch('arm64').linearRanges(info('NUMBER(VA_BITS)=48', 'NUMBER(PHYS_OFFSET)=0x80000000'), probe());
  t.is(linear.first, 0xffff_8000_0000_0000n);
  t.is(BigInt.asUintN(64, 0xffff_8000_1234_5678n - linear.offset), 0x9234_5678n);
});

test('arm64: the image goes as far as symbols prove, and is said to be partial', t => {
  const [image] = arch('arm64').imageRanges(
    info(
      'PAGESIZE=4096',
      'NUMBER(kimage_voffset)=0xffff7fffc8000000',
      'SYMBOL(_stext)=ffff800008010000',
      'SYMBOL(prb)=ffff800009a00010',
      'SYMBOL(mem_section)=ffff800009b00000',
    ),
  );
  t.is(image.first, 0xffff_8000_0801_0000n);
  t.is(image.last, 0xffff_8000_09a0_0fffn);
  t.true(image.partial);
});

test('riscv64: image up to where the reach of modules ends, linear map from PAGE_OFFSET', t => {
  const vmcoreinfo = info(
    'NUMBER(VA_BITS)=48',
    'NUMBER(PAGE_OFFSET)=0xffffaf8000000000',
    'NUMBER(phys_ram_base)=2147483648',
    'NUMBER(MODULES_VADDR)=0xffffffff01600000',
    'NUMBER(MODULES_END)=0xffffffff80000000',
    'NUMBER(va_kernel_pa_offset)=0xfffffffeffe00000',
  );
  const [image] = arch('riscv64').imageRanges(vmcoreinfo);
  t.is(image.first, 0xffff_ffff_8000_0000n);
  t.is(image.last, 0xffff_ffff_815f_ffffn);
  t.is(BigInt.asUintN(64, 0xffff_ffff_8000_2000n - image.offset), 0x8020_2000n);
  const [linear] = arch('riscv64').linearRanges(vmcoreinfo, probe());
  t.is(BigInt.asUintN(64, 0xffff_af80_0000_1000n - linear.offset), 0x8000_1000n);
});

test('s390x: identity up to 6.9, then image and identity map are apart', t => {
  const [old] = arch('s390x').linearRanges(info('KERNELOFFSET=0'), probe());
  t.is(old.offset, 0n);
  t.deepEqual(arch('s390x').imageRanges(info('KERNELOFFSET=0')), []);
  const apart = info(
    'KERNELOFFSET=3ffe0000000',
    'KERNELOFFPHYS=1a000000',
    'IDENTITYBASE=10000000000',
    'SYMBOL(prb)=3ffe1234560',
  );
  const [image] = arch('s390x').imageRanges(apart);
  t.is(0x3ff_e010_0000n - image.offset, 0x1a10_0000n);
  t.is(image.last, 0x3ff_e123_4fffn);
  const [linear] = arch('s390x').linearRanges(apart, probe());
  t.is(0x100_0000_4000n - linear.offset, 0x4000n);
});

test('x86-64: page_offset_base is asked for where nothing points into the linear map', t => {
  const ranges = [
    ...arch('x86_64').linearRanges(
      info('NUMBER(pgtable_l5_enabled)=0'),
      probe({ variable: name => (name === 'page_offset_base' ? 0xffff_9000_0000_0000n : null) }),
    ),
  ];
  t.deepEqual(
    ranges.map(range => range.first),
    [0xffff_9000_0000_0000n, 0xffff_8880_0000_0000n],
  );
  const [five] = arch('x86_64').linearRanges(info('NUMBER(pgtable_l5_enabled)=1'), probe());
  t.is(five.first, 0xff11_0000_0000_0000n);
});

test('x86-64: one candidate a GiB of memory, the nearest first', t => {
  const ranges = [
    ...arch('x86_64').linearRanges(info('SYMBOL(mem_section)=ffff888123456000'), probe({ memoryEnd: 4 * 2 ** 30 })),
  ];
  t.is(ranges[0].first, 0xffff_8881_0000_0000n);
  t.is(ranges[4].first, 0xffff_8880_0000_0000n);
  t.is(ranges.length, 6);
  // A lying end of memory does not make more than there can be.
  const many = [
    ...arch('x86_64').linearRanges(info('SYMBOL(mem_section)=ffff888123456000'), probe({ memoryEnd: 2 ** 52 })),
  ];
  t.is(many.length, 65537);
});

const DUMPS = ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'i386-6.1', 'ppc64le-6.1', 's390x-6.1'];
for (const name of DUMPS) {
  realTest(`NT_PRSTATUS of ${name} has the size of its architecture`, [realDump(`${name}.elf`)], async t => {
    const dump = await openFile(realDump(`${name}.elf`));
    const sizes = dump.notes.filter(note => note.type === NT_PRSTATUS && note.name === 'CORE');
    t.is(sizes.length, 2);
    for (const note of sizes) t.is(note.descriptor.length, dump.arch?.prstatus.size ?? 0);
    dump.close();
  });
}

/** Registers that QEMU's monitor printed at the moment of the dump, CPU by CPU. */
function monitorRegisters(text: string, pattern: RegExp): Map<string, bigint>[] {
  return text
    .split(/^CPU#/m)
    .slice(1)
    .map(part => new Map([...part.matchAll(pattern)].map(([, name, value]) => [name, BigInt(`0x${value}`)])));
}

realTest(
  'registers of x86_64-6.1 are those that QEMU shows',
  [realDump('x86_64-6.1.elf'), realTruth('x86_64-6.1/qemu-registers.txt')],
  async t => {
    const dump = await openFile(realDump('x86_64-6.1.elf'));
    const shown = monitorRegisters(
      readFileSync(realTruth('x86_64-6.1/qemu-registers.txt'), 'utf8'),
      /\b(R[A-Z0-9]{1,2}) ?=([0-9a-f]{16})/g,
    );
    t.is(shown.length, dump.cpus.length);
    for (const [i, cpu] of dump.cpus.entries()) {
      const own = new Map(cpu.registers);
      const names = ['RAX', 'RBX', 'RCX', 'RDX', 'RSI', 'RDI', 'RBP', 'RSP', 'RIP', 'R8', 'R9', 'R10', 'R15'];
      for (const name of names) t.is(own.get(name.toLowerCase()), shown[i].get(name), `CPU ${i} ${name}`);
    }
    dump.close();
  },
);

realTest(
  'registers of s390x-6.1 are those that QEMU shows',
  [realDump('s390x-6.1.elf'), realTruth('s390x-6.1/qmp.txt')],
  async t => {
    const dump = await openFile(realDump('s390x-6.1.elf'));
    const text = readFileSync(realTruth('s390x-6.1/qmp.txt'), 'utf8');
    const shown = monitorRegisters(text, /\bR(\d\d)=([0-9a-f]{16})/g);
    const words = [...text.matchAll(/^PSW=mask ([0-9a-f]{16}) addr ([0-9a-f]{16})/gm)];
    for (const [i, cpu] of dump.cpus.entries()) {
      const own = new Map(cpu.registers);
      t.is(own.get('pswm'), BigInt(`0x${words[i][1]}`));
      t.is(own.get('pswa'), BigInt(`0x${words[i][2]}`));
      // The bytes are 0i 00 00 00: QEMU numbers the CPUs from 1, in the byte order of its host.
      t.is(cpu.pid, i + 1);
      for (let r = 0; r < 16; r++) t.is(own.get(`r${r}`), shown[i].get(String(r).padStart(2, '0')), `CPU ${i} r${r}`);
    }
    dump.close();
  },
);
