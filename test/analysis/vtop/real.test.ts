// Page tables of real kernels: against walks made by another program, the guest's own pagemap and vmallocinfo, QEMU's translation, and the maps that need no tables.
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { attachPageTables, type KernelMap, userPageTable, vtopKernel, type Walk } from 'kdumpling/analysis/vtop';
import { type Dump, FaultRecord } from 'kdumpling/reader';
import type { Architecture } from 'kdumpling/reader/arch';
import { openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth } from '../../real.js';

interface Opened {
  readonly dump: Dump;
  readonly arch: Architecture;
  readonly map: KernelMap;
}

async function opened(t: ExecutionContext, name: string, body: (opened: Opened) => void): Promise<void> {
  const dump = await openFile(realDump(`${name}.elf`));
  try {
    const translator = attachPageTables(dump);
    t.deepEqual(translator.issues, []);
    body({ dump, arch: dump.arch as Architecture, map: translator.map as KernelMap });
  } finally {
    dump.close();
  }
}

interface TrueWalk {
  readonly kind: string;
  readonly va: string;
  readonly pgdPhys?: string;
  readonly walk: {
    readonly steps: readonly { readonly level: string; readonly entryPhys: string; readonly entry: string }[];
    readonly phys?: string | null;
    readonly pageSize?: number | null;
  };
  readonly guest_pagemap_pfn_earlier?: string;
  readonly guest_pagemap_agrees?: boolean;
}

const readJson = (path: string): TrueWalk[] => JSON.parse(readFileSync(realTruth(path), 'utf8')) as TrueWalk[];
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

function sameWalk(t: ExecutionContext, walk: Walk, { va, kind, walk: wanted }: TrueWalk): void {
  const text = `${kind} ${va}`;
  t.is(walk.physical === null ? null : hex(walk.physical), wanted.phys ?? null, text);
  t.is(walk.pageSize, wanted.pageSize ?? null, text);
  t.deepEqual(
    walk.steps.map(({ level, entryAddress, entry }) => ({
      level,
      entryPhys: hex(entryAddress),
      entry: hex(entry),
    })),
    wanted.steps,
    text,
  );
}

const CANONICAL = 'non-canonical';

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const files = ['vtop_kernel', 'vtop_user'].map(file => `${name}/json/${file}.json`);
  realTest(
    `${name}: every entry of 177 walks is as another walker found it`,
    [realDump(`${name}.elf`), ...files.map(realTruth)],
    t =>
      opened(t, name, ({ dump, arch, map }) => {
        const kernel = readJson(files[0]);
        const kinds = new Set(kernel.map(({ kind }) => kind.split(' ')[0]));
        for (const kind of ['text', 'direct', 'vmalloc', 'vmemmap', 'module', 'percpu']) t.true(kinds.has(kind), kind);
        for (const row of kernel) {
          const walk = map.table.walk(BigInt(row.va));
          if (row.kind === CANONICAL) t.is(walk.fault?.level, '');
          else sameWalk(t, walk, row);
        }
        const linear = dump.virtual.ranges.find(range => range.name === 'linear')?.first as bigint;
        let pagemap = 0;
        for (const row of readJson(files[1])) {
          const pgd = linear + BigInt(row.pgdPhys as string);
          const table = userPageTable(arch, map, dump.physical, pgd, vaddr => dump.virtual.translate(vaddr));
          const walk = table?.walk(BigInt(row.va)) as Walk;
          sameWalk(t, walk, row);
          if (row.guest_pagemap_agrees !== true || walk.physical === null) continue;
          pagemap++;
          t.is(hex(Math.floor(walk.physical / dump.pageSize)), row.guest_pagemap_pfn_earlier ?? '');
        }
        t.true(pagemap > 50);
      }),
  );
}

/** `0xFIRST-0xLAST SIZE caller phys=0x… ioremap`: the kernel's own word for where an area lies; its last page is a guard. */
function* deviceAreas(text: string): Iterable<{ first: bigint; end: bigint; phys: bigint }> {
  for (const [, first, end, phys] of text.matchAll(/^(0x[0-9a-f]+)-(0x[0-9a-f]+) .*phys=(0x[0-9a-f]+) ioremap/gm))
    yield { first: BigInt(first), end: BigInt(end), phys: BigInt(phys) };
}

const VMALLOC_INFO: readonly (readonly [name: string, file: string, least: number])[] = [
  ['x86_64-6.1', 'guest/guest/proc/vmallocinfo', 3],
  ['x86_64-7.3', 'guest/guest/proc/vmallocinfo', 3],
  ['arm64-6.1', 'serial.log', 15],
  ['ppc64le-6.1', 'serial.log', 24],
  ['i386-6.1', 'serial.log', 10],
];

for (const [name, file, least] of VMALLOC_INFO) {
  realTest(
    `${name}: device memory in the vmalloc area lies where /proc/vmallocinfo says`,
    [realDump(`${name}.elf`), realTruth(`${name}/${file}`)],
    t =>
      opened(t, name, ({ dump, map }) => {
        const page = BigInt(dump.pageSize);
        const fault = new FaultRecord();
        let areas = 0;
        for (const { first, end, phys } of deviceAreas(readFileSync(realTruth(`${name}/${file}`), 'utf8'))) {
          areas++;
          for (let at = first; at < end - page; at += page) {
            t.is(map.table.translate(at + 8n, fault), Number(phys - (phys % page) + (at - first) + 8n), hex(at));
          }
          t.is(map.table.translate(end - page, fault), -1, 'the guard page');
        }
        t.true(areas >= least);
      }),
  );
}

realTest(
  's390x-6.1: 104 kernel addresses (text, modules, vmalloc) lie where QEMU says',
  [realDump('s390x-6.1.elf'), realTruth('s390x-6.1/qmp.txt')],
  t =>
    opened(t, 's390x-6.1', ({ map }) => {
      const fault = new FaultRecord();
      const lines = [
        ...readFileSync(realTruth('s390x-6.1/qmp.txt'), 'utf8').matchAll(
          /^GVA sym=(\S+) va=([0-9a-f]+) -> gpa: (0x[0-9a-f]+)/gm,
        ),
      ];
      t.is(lines.length, 104);
      for (const [line, , va, gpa] of lines) t.is(hex(map.table.translate(BigInt(`0x${va}`), fault)), gpa, line);
    }),
);

/** mm->pgd of the guest's processes, as physical addresses; s390x: context.asce. */
const PROCESSES: Readonly<Record<string, Readonly<Record<string, bigint>>>> = {
  'arm64-6.1': { 107: 0x48ede000n, 109: 0x48ef0000n, 116: 0x48e80000n, 108: 0x48eb8000n },
  'i386-6.1': { 108: 0x1c80f00n, 110: 0x1c80240n, 115: 0x1223900n, 109: 0x1223a20n },
  'ppc64le-6.1': { 106: 0x20c0000n, 108: 0x5bf0000n, 113: 0x3500000n, 107: 0x31e0000n },
  's390x-6.1': { 100: 0x2998007n, 103: 0x2a7000fn, 101: 0x2a00007n },
};

for (const [name, processes] of Object.entries(PROCESSES)) {
  const lines = realTruth(`${name}/guest-lines.txt`);
  realTest(
    `${name}: user pages lie where /proc/PID/pagemap said, PROT_NONE and huge ones too`,
    [realDump(`${name}.elf`), lines],
    t =>
      opened(t, name, ({ dump, arch, map }) => {
        const fault = new FaultRecord();
        const tags = new Set<string>();
        for (const line of readFileSync(lines, 'utf8')
          .split('\n')
          .filter(text => text.startsWith('PM '))) {
          const { pid, tag, va, present, pa } = Object.fromEntries(
            line
              .slice(3)
              .split(' ')
              .map(word => word.split('=')),
          );
          // Physical is as good as virtual where the value is an address: this test gives the table itself.
          const table = userPageTable(arch, map, dump.physical, processes[pid], value => Number(value));
          const found = table?.translate(BigInt(`0x${va}`), fault);
          t.is(found, present === '1' ? Number(`0x${pa}`) : -1, line);
          tags.add(tag);
        }
        for (const tag of ['anon', 'prnone', 'untouched']) t.true(tags.has(tag), tag);
      }),
  );
}

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'ppc64le-6.1', 'i386-6.1', 's390x-6.1']) {
  realTest(`${name}: page tables and the maps that need none agree`, [realDump(`${name}.elf`)], t =>
    opened(t, name, ({ dump, map }) => {
      let compared = 0;
      for (const { first, last, target, name: range } of dump.virtual.ranges) {
        const length = Math.min(Number(last - first) + 1, dump.physical.bounds.end - target);
        for (let i = 0; i < 2000; i++) {
          const into = Math.floor((length / 2000) * i) + (i % 7);
          if (dump.physical.locate(target + into, 1) < 0) continue;
          const { physical } = map.table.walk(first + BigInt(into));
          if (physical === null) continue;
          compared++;
          t.is(physical, target + into, `${range} ${hex(first + BigInt(into))}`);
        }
      }
      t.true(compared >= 500, `${compared}`);
    }),
  );
}

realTest('arm64-6.1: a signed return address is the address without its signature', [realDump('arm64-6.1.elf')], t =>
  opened(t, 'arm64-6.1', ({ dump, map }) => {
    const stext = dump.vmcoreinfo?.symbol('_stext') as bigint;
    // KERNELPACMASK is 0xffff << 48; bit 55 stays.
    const signed = (stext & ((1n << 48n) - 1n)) | (0x5abdn << 48n);
    const row = vtopKernel(dump.virtual, map, signed);
    t.is(row.physical, dump.virtual.translate(stext));
    t.deepEqual(
      row.issues.map(({ code }) => code),
      ['tag-ignored'],
    );
  }),
);
