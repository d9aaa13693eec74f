// timers on real dumps: all that crash finds on 6.1, and timers of the guest's /proc/timer_list that were far from due when the snapshot was made.
import { readFileSync } from 'node:fs';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Timer {
  readonly timer: string;
  readonly expires: string;
  readonly softExpires?: string;
  readonly remaining: string;
  readonly function: { readonly address: string; readonly symbol: string };
}

interface Answer {
  readonly jiffies: string | undefined;
  readonly monotonic: string;
  readonly cpus: readonly {
    readonly cpu: number;
    readonly hrtimerBase: string;
    readonly wheels: readonly WheelRow[] | null;
    readonly clocks: readonly { readonly clock: string; readonly address: string; readonly timers: readonly Timer[] }[];
  }[];
  readonly issues: readonly unknown[];
}

interface WheelRow {
  readonly base: string;
  readonly address: string;
  readonly timers: readonly Timer[];
}

function ask(...args: string[]): Answer {
  const { status, stdout, stderr } = kdumpling('timers', ...args, '--json');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Answer;
}

const dump = realDump('x86_64-6.1.elf');
const crash = (file: string) => realTruth(`x86_64-6.1/crash-text/crash/${file}.txt`);

realTest("timers of x86_64-6.1, of the wheel: crash's", [dump, crash('timer')], t => {
  const found = ask(dump);
  t.deepEqual(found.issues, []);
  const [start, ...blocks] = readFileSync(crash('timer'), 'utf8').split(/^TIMER_BASES/m);
  t.is(found.jiffies, /JIFFIES\s+(\d+)/.exec(start)?.[1]);
  const expected = blocks.map(block => ({
    place: /^\[(\d)\]\[BASE_(STD|DEF)\]: ([0-9a-f]+)/.exec(block)?.slice(1),
    timers: [...block.matchAll(/^ +(\d+) +(-?\d+) +([0-9a-f]{16}) +([0-9a-f]{16}) +<(\w+)>$/gm)].map(match =>
      match.slice(1),
    ),
  }));
  t.true(expected.every(({ timers }) => timers.length > 0));
  const bare = (address: string) => address.slice(2);
  const row = ({ timer, expires, remaining, function: run }: Timer) => [
    expires,
    remaining,
    bare(timer),
    bare(run.address),
    run.symbol,
  ];
  t.deepEqual(
    found.cpus.flatMap(({ cpu, wheels }) =>
      (wheels ?? []).map(({ base, address, timers }) => ({
        place: [String(cpu), base === 'standard' ? 'STD' : 'DEF', bare(address)],
        timers: timers.map(row),
      })),
    ),
    expected,
  );
});

realTest("timers of x86_64-6.1, high-resolution ones: crash's", [dump, crash('timer-r')], t => {
  const { cpus } = ask(dump, '-r');
  const blocks = readFileSync(crash('timer-r'), 'utf8')
    .split(/^CPU: /m)
    .slice(1);
  t.is(blocks.length, 2);
  for (const [cpu, block] of blocks.entries()) {
    const { hrtimerBase, clocks } = cpus[cpu];
    t.is(hrtimerBase, `0x${/HRTIMER_CPU_BASE: ([0-9a-f]+)/.exec(block)?.[1]}`);
    const expected = block
      .split(/^ +CLOCK: /m)
      .slice(1)
      .map(part => [
        `0x${/HRTIMER_CLOCK_BASE: ([0-9a-f]+)/.exec(part)?.[1]}`,
        ...[...part.matchAll(/^ +(\d+) +(\d+) +-?\d+ +([0-9a-f]{16}) +([0-9a-f]{16}) +<(\w+)>/gm)].map(
          ([, soft, expires, timer, address, symbol]) => [soft, expires, `0x${timer}`, `0x${address}`, symbol],
        ),
      ]);
    t.deepEqual(
      clocks.map(({ address, timers }) => [
        address,
        ...timers.map(({ softExpires, expires, timer, function: run }) => [
          softExpires,
          expires,
          timer,
          run.address,
          run.symbol,
        ]),
      ]),
      expected,
    );
    t.is(cpus[cpu].wheels, null);
  }
});

interface Listed {
  readonly timer: string;
  readonly symbol: string;
  readonly soft: string;
  readonly expires: string;
}

/** Of CLOCK_MONOTONIC of each CPU. */
function listed(text: string): { now: bigint; cpus: Listed[][] } {
  const cpus = text.split(/^cpu: \d+$/m).slice(1);
  return {
    now: BigInt(/^now at (\d+) nsecs/m.exec(text)?.[1] ?? 0),
    cpus: cpus.map(block => {
      const [, clock] = block.split(/^ clock \d+:$/m);
      return [...clock.matchAll(/ #\d+: <([0-9a-f]+)>, (\w+), S:01\n # expires at (\d+)-(\d+) nsecs/g)].map(
        ([, timer, symbol, soft, expires]) => ({ timer: `0x${timer}`, symbol, soft, expires }),
      );
    }),
  };
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const file = realDump(`${name}.elf`);
  const list = realTruth(`${name}/guest/guest/proc/timer_list`);
  realTest(`timers of ${name}: what the guest's timer_list has, and was not due before the panic`, [file, list], t => {
    const found = ask(file);
    t.deepEqual(found.issues, []);
    const { now, cpus } = listed(readFileSync(list, 'utf8'));
    t.true(now > 0n && now < BigInt(found.monotonic));
    // Timers of sleeping threads follow them from CPU to CPU.
    const all = new Map(
      found.cpus.flatMap(({ clocks }) => clocks.flatMap(({ timers }) => timers)).map(one => [one.timer, one]),
    );
    const lasting = cpus.flat().filter(({ expires }) => BigInt(expires) > 1_000_000_000_000n);
    t.true(lasting.length >= 3);
    for (const { timer, symbol, soft, expires } of lasting) {
      const one = all.get(timer);
      t.deepEqual([one?.function.symbol, one?.softExpires, one?.expires], [symbol, soft, expires]);
      t.is(one?.remaining, String(BigInt(expires) - BigInt(found.monotonic)));
    }
  });
}

for (const name of ['arm64-6.1', 'ppc64le-6.1', 's390x-6.1', 'i386-6.1']) {
  const file = realDump(`${name}.elf`);
  const vmlinux = name.startsWith('arm64') ? [] : [realVmlinux(name)];
  realTest(`timers of ${name}: the tick of each CPU, and what every kernel has`, [file, ...vmlinux], t => {
    const { jiffies, monotonic, cpus, issues } = ask(file, ...vmlinux.flatMap(path => ['--vmlinux', path]));
    t.false(issues.some(issue => JSON.stringify(issue).includes('timer')));
    const wheel = cpus.flatMap(({ wheels }) => (wheels ?? []).flatMap(({ timers }) => timers));
    for (const symbol of ['process_timeout', 'delayed_work_timer_fn', 'idle_worker_timeout', 'tcp_orphan_update']) {
      t.true(
        wheel.some(({ function: run }) => run.symbol === symbol),
        symbol,
      );
    }
    // Nothing is long overdue, and nothing lies further ahead than the wheel reaches.
    t.true(wheel.every(({ remaining }) => Number(remaining) > -100 && Number(remaining) < 2 ** 30));
    for (const { clocks } of cpus) {
      const tick = clocks[0].timers.find(({ function: run }) => run.symbol === 'tick_sched_timer');
      t.true(Math.abs(Number(tick?.remaining)) < 1e9, `${tick?.expires} at ${monotonic}`);
    }
    t.true(BigInt(jiffies ?? 0) > 2n ** 32n - 300_000n);
  });
}

realTest('timers for people, of one CPU', [dump], t => {
  const { status, stdout } = kdumpling('timers', dump, '0', '-w');
  t.is(status, 0);
  t.deepEqual(stdout.split('\n').slice(0, 5), [
    'JIFFIES 4294906142',
    'CPU 0  TIMER_BASE: 0xffff8a5d9f220980 (standard)',
    '      EXPIRES    REMAINING  TIMER_LIST        FUNCTION',
    '  4294906245          103   ffffffffbcc604f8  delayed_work_timer_fn  (psi_avgs_work)',
    '  4294906750          608   ffff8a5d8258f488  dev_watchdog',
  ]);
  t.notRegex(stdout, /CPU 1|CLOCK/);
});
