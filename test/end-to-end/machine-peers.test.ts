// runq, irq and timers of real dumps, as drgn walks the same memory with the vmlinux.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers/drgn-machine.py');

type DrgnTimer = readonly [
  expires: number | string,
  timer: string,
  symbol: string | null,
  purpose: string | number | null,
];

interface Drgn {
  readonly queues: readonly {
    readonly runqueue: string;
    readonly running: number;
    readonly current: number;
    readonly fair: readonly (readonly [pid: number, priority: number, vruntime: string])[];
    readonly listed: readonly number[];
    readonly realTime: readonly number[];
  }[];
  readonly interrupts: readonly (readonly [
    irq: number,
    descriptor: string,
    chip: string,
    counts: readonly number[],
    actions: readonly (readonly [address: string, name: string, symbol: string | null])[],
  ])[];
  readonly timers: readonly (readonly (readonly DrgnTimer[])[])[];
  readonly hrtimers: readonly (readonly (readonly DrgnTimer[])[])[];
}

interface Task {
  readonly pid: number;
  readonly priority: number;
  readonly vruntime: string;
}

interface Queue {
  readonly runqueue: string;
  readonly nrRunning: number;
  readonly current: Task;
  readonly fair: { readonly tasks: readonly Task[] };
  readonly realTime: { readonly tasks: readonly Task[] };
}

interface Place {
  readonly symbol: string | null;
}

interface Irq {
  readonly irq: number;
  readonly descriptor: string;
  readonly chip: string;
  readonly counts: readonly number[];
  readonly actions: readonly { readonly address: string; readonly name: string; readonly handler: Place }[] | null;
}

interface Timer {
  readonly timer: string;
  readonly expires: string;
  readonly function: Place;
  readonly purpose: { readonly work: Place | null; readonly thread: { readonly pid: number } | null } | null;
}

interface Timers {
  readonly cpus: readonly {
    readonly wheels: readonly { readonly timers: readonly Timer[] }[];
    readonly clocks: readonly { readonly timers: readonly Timer[] }[];
  }[];
}

function ask<T>(command: string, ...args: string[]): T {
  const { status, stdout, stderr } = kdumpling(command, ...args, '--json');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** drgn has no symbols of modules without their debug files. */
const known = (symbol: string | null, of: string | null): string | null => (of === null ? null : symbol);

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];
  realPeerTest(`runq, irq and timers of ${name}, as drgn finds them`, [dump, vmlinux], ['drgn'], t => {
    const source = readFileSync(script, 'utf8');
    const result = peer('python3', ['-c', source, dump, vmlinux], [dirname(dump), dirname(vmlinux)]);
    t.is(result.status, 0, result.stderr);
    const drgn = JSON.parse(result.stdout) as Drgn;

    const queues = ask<Queue[]>('runq', dump);
    t.deepEqual(
      queues.map(({ runqueue, nrRunning, current, fair, realTime }) => ({
        runqueue,
        running: nrRunning,
        current: current.pid,
        fair: fair.tasks.map(({ pid, priority, vruntime }) => [pid, priority, vruntime]),
        listed: [current, ...fair.tasks].map(({ pid }) => pid).sort((a, b) => a - b),
        realTime: realTime.tasks.map(({ pid }) => pid),
      })),
      drgn.queues.map(queue => ({ ...queue, fair: queue.fair.map(task => [...task]) })),
    );

    const { irqs } = ask<{ irqs: Irq[] }>('irq', dump, '--all');
    t.true(irqs.length > 15);
    t.deepEqual(
      irqs.map(({ irq, descriptor, chip, counts, actions }, i) => [
        irq,
        descriptor,
        chip,
        counts,
        (actions ?? []).map(({ address, name: of, handler }, k) => [
          address,
          of,
          known(handler.symbol, drgn.interrupts[i]?.[4][k]?.[2] ?? null),
        ]),
      ]),
      drgn.interrupts.map(irq => [...irq]),
    );

    const { cpus } = ask<Timers>('timers', dump);
    const rows = (timers: readonly Timer[], of: readonly DrgnTimer[] = []) =>
      timers.map(({ timer, expires, function: run, purpose }, i) => [
        expires,
        timer,
        known(run.symbol, of[i]?.[2] ?? null),
        purpose?.thread?.pid ?? purpose?.work?.symbol ?? null,
      ]);
    const texts = (timers: readonly DrgnTimer[]) => timers.map(([expires, ...rest]) => [String(expires), ...rest]);
    for (const [cpu, { wheels, clocks }] of cpus.entries()) {
      t.true(wheels.length >= 2);
      t.deepEqual(
        wheels.map(({ timers }, i) => rows(timers, drgn.timers[cpu][i])),
        drgn.timers[cpu].map(texts),
      );
      t.deepEqual(
        clocks.map(({ timers }, i) => rows(timers, drgn.hrtimers[cpu][i])),
        drgn.hrtimers[cpu].map(texts),
      );
    }
  });
}

const filtered = realDump('x86_64-6.1.zstd-d31.kdump');
realTest('regs, runq, irq, timers and swap of a dump filtered at level 31 are those of the whole', [filtered], t => {
  for (const command of ['regs', 'runq', 'irq', 'timers', 'swap']) {
    const whole = kdumpling(command, realDump('x86_64-6.1.elf'), '--json');
    const some = kdumpling(command, filtered, '--json');
    t.is(some.status, 0, some.stderr);
    t.is(some.stdout, whole.stdout, command);
    t.true(whole.stdout.length > 2);
  }
});

const lossy = realDump('x86_64-7.3.zstd-d31.kdump');
realTest('where a filter took pages of the slab, rows stay, and what lay there is told and not guessed', [lossy], t => {
  const { status, stdout, stderr } = kdumpling('irq', lossy, '--all', '--json');
  t.is(status, 1, stderr);
  const whole = ask<{ irqs: Irq[] }>('irq', realDump('x86_64-7.3.elf'), '--all').irqs;
  const { irqs, issues } = JSON.parse(stdout) as { irqs: Irq[]; issues: { code: string; message: string }[] };
  t.deepEqual(
    irqs.map(({ irq, descriptor }) => [irq, descriptor]),
    whole.map(({ irq, descriptor }) => [irq, descriptor]),
  );
  const lost = irqs.filter(({ actions }) => actions === null);
  t.true(lost.length > 0);
  t.true(issues.every(({ code, message }) => code.startsWith('unreadable-') && message.includes('filtered out')));
  for (const [i, row] of irqs.entries()) if (row.actions !== null) t.deepEqual(row, whole[i]);
  const timers = kdumpling('timers', lossy, '-w');
  t.is(timers.status, 1);
  t.notRegex(timers.stderr, /damaged/);
});
