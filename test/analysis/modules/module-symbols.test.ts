// Symbols of modules against /proc/kallsyms of the guests, which has them behind the kernel's own, in the same order.
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { ModuleSymbols } from 'kdumpling/analysis/modules';
import type { KernelSymbol } from 'kdumpling/reader/debuginfo';
import { openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth } from '../../real.js';

const GUESTS: readonly (readonly [dump: string, file: string])[] = [
  ['x86_64-6.1', 'x86_64-6.1/guest/guest/proc/kallsyms'],
  ['x86_64-7.3', 'x86_64-7.3/guest/guest/proc/kallsyms'],
  ['trace-6.1', 'trace-6.1/guest/kallsyms'],
];
/** What /proc/kallsyms lists behind the modules and no module has. */
const NO_MODULE = /\[(bpf|__builtin__ftrace|__builtin__kprobes)\]$/;

const line = ({ address, type, name, module }: KernelSymbol): string =>
  `${address.toString(16).padStart(16, '0')} ${type} ${name}\t[${module}]`;

function lookUp(t: ExecutionContext, kernel: Kernel, truth: string): void {
  const [, digits, , name, module] = /^(\w+) (\S) (\S+)\t\[(\S+)\]$/.exec(truth) ?? [];
  const address = BigInt(`0x${digits}`);
  t.true(
    kernel.symbols.all(name).some(symbol => line(symbol) === truth),
    truth,
  );
  const there = kernel.symbols.at(address);
  t.deepEqual([there?.address, there?.module], [address, module], truth);
}

for (const [name, file] of GUESTS) {
  const truth = realTruth(file);
  realTest(
    `symbols of the modules of ${name} are /proc/kallsyms of the guest`,
    [realDump(`${name}.elf`), truth],
    async t => {
      const dump = await openFile(realDump(`${name}.elf`));
      const kernel = await openKernel(dump);
      const guest = readFileSync(truth, 'utf8')
        .split('\n')
        .filter(text => text.endsWith(']') && !NO_MODULE.test(text));
      const found = [...new ModuleSymbols(kernel, kernel.issues).search(() => true)];
      t.deepEqual(found.map(line), guest);
      const step = Math.ceil(guest.length / 400);
      for (let i = 0; i < guest.length; i += step) lookUp(t, kernel, guest[i]);
      t.is(kernel.symbols.source, 'kallsyms,vmcoreinfo,modules');
      t.deepEqual(kernel.issues.list(), []);
      dump.close();
    },
  );
}

realTest(
  'what a module calls like a variable of the kernel is not taken for it',
  [realDump('trace-6.1.elf')],
  async t => {
    const dump = await openFile(realDump('trace-6.1.elf'));
    const kernel = await openKernel(dump);
    t.is(kernel.symbols.resolve(['sessions']).get('sessions')?.module, 'lttng_tracer');
    t.is(kernel.symbol('sessions'), null);
    t.is(kernel.symbols.resolve(['schedule']).get('schedule')?.module, null);
    dump.close();
  },
);

const SERIAL = realTruth('arm64-6.1/serial.log');

realTest('symbols of the modules of arm64-6.1 that the guest printed', [realDump('arm64-6.1.elf'), SERIAL], async t => {
  const dump = await openFile(realDump('arm64-6.1.elf'));
  const kernel = await openKernel(dump);
  const printed = readFileSync(SERIAL, 'utf8')
    .split(/\r?\n/)
    .filter(text => /^[0-9a-f]{16} \S \S+\t\[\w+\]$/.test(text) && !text.includes('$x'));
  t.true(printed.length > 20);
  for (const text of printed) lookUp(t, kernel, text);
  dump.close();
});
