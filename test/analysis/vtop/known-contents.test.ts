// Where page tables and maps of real kernels lead: to what is known to lie there. The memory map (a frame tells where its process has it), per-CPU data (a run queue tells
// its CPU), and the memory of modules (a module tells its name).
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { perCpu } from 'kdumpling/analysis/collections';
import { modules } from 'kdumpling/analysis/modules';
import { type Get, struct } from 'kdumpling/analysis/object';
import { Pages } from 'kdumpling/analysis/pages';
import { kernelTranslator } from 'kdumpling/analysis/vtop';
import { Issues } from 'kdumpling/reader';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth, realVmlinux } from '../../real.js';

/** Private pages of one process each: page.index is the number of the page in its address space. */
const PRIVATE =
  /^PM name=\S+ pid=\d+ tag=(?:anon|rdonly|prnone|hi\d) va=([0-9a-f]+) .* present=1 .* pfn=([0-9a-f]+) /gm;

/** The word at a kernel address, once page tables lead to where the map of all memory has it. */
function through(t: ExecutionContext, kernel: Kernel, address: bigint, get: Get<number>): number {
  const table = kernelTranslator(kernel.memory)?.map?.table ?? null;
  t.is(table?.walk(address).physical, kernel.memory.translate(address));
  return get(address);
}

function frames(t: ExecutionContext, kernel: Kernel, lines: string): void {
  const pages = new Pages(kernel);
  const index = struct(kernel, 'page').number('index');
  const found = [...lines.matchAll(PRIVATE)];
  t.true(found.length >= 15);
  for (const [line, va, pfn] of found) {
    const page = pages.address(Number.parseInt(pfn, 16)) as bigint;
    t.is(through(t, kernel, page, index), Number(BigInt(`0x${va}`) / BigInt(kernel.pageSize)), line);
  }
}

function runQueues(t: ExecutionContext, kernel: Kernel): void {
  const cpuOf = struct(kernel, 'rq').number('cpu');
  for (const cpu of [0, 1]) t.is(through(t, kernel, perCpu(kernel).variable('runqueues', cpu), cpuOf), cpu);
}

function moduleNames(t: ExecutionContext, kernel: Kernel, serial: string): void {
  const listed = /^=== modules\n(.*?)^[^\n]*=== /ms.exec(serial.replaceAll('\r', ''))?.[1] ?? '';
  const guest = [...listed.matchAll(/^(\w+) \d+ \S+ \S+ Live 0x/gm)].map(([, name]) => name);
  t.true(guest.length >= 3);
  const found = [...modules(kernel, new Issues())];
  t.deepEqual(
    found.map(({ name }) => name),
    guest,
  );
  const state = struct(kernel, 'module').number('state');
  for (const { object } of found) t.is(through(t, kernel, object, state), 0, 'MODULE_STATE_LIVE');
}

/** Whether it has no BTF. */
const KERNELS = { 'arm64-6.1': false, 'ppc64le-6.1': true, 'i386-6.1': true, 's390x-6.1': true } as const;

for (const [name, vmlinux] of Object.entries(KERNELS)) {
  const [lines, serial] = ['guest-lines.txt', 'serial.log'].map(file => realTruth(`${name}/${file}`));
  const needs = vmlinux ? [realVmlinux(name)] : [];
  realTest(
    `${name}: frames, run queues and modules tell what they are`,
    [realDump(`${name}.elf`), lines, serial, ...needs],
    async t => {
      const dump = await openFile(realDump(`${name}.elf`));
      const file = vmlinux ? new FileSource(realVmlinux(name)) : null;
      try {
        const kernel = await openKernel(dump, file === null ? {} : { vmlinux: file });
        frames(t, kernel, readFileSync(lines, 'utf8'));
        runQueues(t, kernel);
        moduleNames(t, kernel, readFileSync(serial, 'utf8'));
      } finally {
        file?.close();
        dump.close();
      }
    },
  );
}
