// Every answer from a vmcore of kexec, whole and filtered at level 31, with nothing but the dump, against what the guest's /proc said. KDUMPLING_KEXEC names a folder with `vmcore.elf`, `vmcore.d31`
// (made of it by makedumpfile -d 31), `dmesg.txt` (makedumpfile --dump-dmesg) and `guest/` (the snapshot that shared scripts make); without it these tests are skipped by name.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { mounts, processFiles } from 'kdumpling/analysis/fs';
import { pageTableOf, processMemory } from 'kdumpling/analysis/mm';
import { struct } from 'kdumpling/analysis/object';
import { taskOfPid, tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { parseFiles, parseSmaps, parseStat } from '../guest-proc.js';
import { kdumpling } from '../kdumpling.js';

const folder = process.env['KDUMPLING_KEXEC'] ?? '';
const guest = (path: string): string => readFileSync(join(folder, 'guest', path), 'utf8');
const whole = join(folder, 'vmcore.elf');
const filtered = join(folder, 'vmcore.d31');

function kexecTest(title: string, body: (t: ExecutionContext) => void | Promise<void>): void {
  if (folder === '') test.skip(`${title} (needs KDUMPLING_KEXEC)`, body);
  else test(title, body);
}

async function withKernel(body: (kernel: Kernel, issues: Issues) => void): Promise<void> {
  const dump = await openFile(whole);
  try {
    body(await openKernel(dump), new Issues());
  } finally {
    dump.close();
  }
}

const pids = (): number[] =>
  readdirSync(join(folder, 'guest/task'))
    .map(Number)
    .sort((a, b) => a - b);
const commOf = (pid: number): string => guest(`task/${pid}/comm`).trim();
const parentOf = (pid: number): number => parseStat(guest(`task/${pid}/stat`)).ppid;

/** Of what the guest saw only what made the snapshot had ended when it died. */
const went = (pid: number): boolean => commOf(pid) === 'collect.sh' || commOf(parentOf(pid) || pid) === 'collect.sh';

/** Slept when the guest looked, and runs: waited for the snapshot's end, or for the word to crash. */
const RUNS = new Set(['kt-busy', 'kt-swapspin', 'kt-swapspin2', 'kt-spin', 'sh']);

kexecTest('ps: the tasks of /proc, and no others', t =>
  withKernel((kernel, issues) => {
    const found = new Map(tasks(kernel, issues).map(row => [row.pid, row]));
    const seen = new Set<number | null>([0]);
    const ran: string[] = [];
    for (const pid of pids()) {
      const threads = readdirSync(join(folder, `guest/task/${pid}`)).filter(entry => entry.startsWith('task-'));
      for (const entry of ['', ...threads.map(thread => `/${thread}`)]) {
        const stat = parseStat(guest(`task/${pid}${entry}/stat`));
        seen.add(stat.pid);
        const row = found.get(stat.pid);
        t.is(row === undefined, went(pid), `${stat.pid} ${stat.comm}`);
        if (row === undefined) continue;
        const comm = row.kernelThread === true ? stat.comm.slice(0, row.comm?.length) : stat.comm;
        t.like(row, { pid: stat.pid, tgid: pid, comm, ppid: stat.ppid });
        if (row.state !== stat.state) ran.push(`${stat.pid} ${comm} ${stat.state} ${row.state}`);
      }
    }
    t.deepEqual(
      [...found.keys()].filter(pid => !seen.has(pid)),
      [],
      'nothing came',
    );
    t.log('changed state between the snapshot and the panic:', ran.join(', '));
    t.deepEqual(
      ran.filter(line => !RUNS.has(line.split(' ')[1]) && !/^\d+ (rcu_|kworker|ksoftirqd|migration)/.test(line)),
      [],
    );
    t.deepEqual(issues.list(), []);
  }),
);

interface LogRow {
  readonly level: number;
  readonly facility: number;
  readonly timestampNs: string;
  readonly text: string;
}

/** The shell that crashed the machine, and init, which made the snapshot and went on: what of theirs changed is told, not compared. */
const moving = (pid: number): boolean => pid === 1 || pid === crashed();
const crashed = (): number =>
  Number(/KTEST: shell pid (\d+) triggers/.exec(readFileSync(join(folder, 'dmesg.txt'), 'utf8'))?.[1]);

kexecTest('vm: the areas of smaps', t =>
  withKernel((kernel, issues) => {
    let areas = 0;
    const grew: string[] = [];
    for (const pid of pids().filter(one => !went(one))) {
      const found = processMemory(kernel, taskOfPid(kernel, pid, issues) ?? 0n, issues)?.areas ?? [];
      const expected = existsSync(join(folder, `guest/task/${pid}/smaps`))
        ? parseSmaps(guest(`task/${pid}/smaps`))
        : [];
      const rows = found.map(({ start, end, flags, file, offset, rss, flagWords }) => {
        const [from, to] = [start, end].map(value => value.toString(16).padStart(8, '0'));
        return { start: from, end: to, flags, file, offset, rss, flagWords };
      });
      t.is(rows.length, expected.length, `areas of ${pid}`);
      for (const [i, row] of rows.entries()) {
        const before = expected[i]['rss'];
        const changed = moving(pid) && row.rss !== before;
        if (changed) grew.push(`${pid} ${row.start}`);
        t.deepEqual(changed ? { ...row, rss: before } : row, expected[i], `${pid} ${row.start}`);
      }
      areas += rows.length;
    }
    t.log(`${areas} areas; grew after the snapshot:`, grew.join(', '));
    t.true(areas > 200 && grew.length < 6);
    t.deepEqual(issues.list(), []);
  }),
);

kexecTest('files and mounts: /proc/PID/fd, fdinfo and mountinfo', t =>
  withKernel((kernel, issues) => {
    const changed: string[] = [];
    let count = 0;
    for (const pid of pids().filter(one => !went(one))) {
      const task = taskOfPid(kernel, pid, issues) ?? 0n;
      const rows = processFiles(kernel, task, issues).files.map(({ fd, path, flags, position }) => ({
        fd,
        path,
        flags,
        position,
      }));
      const fd = `task/${pid}/fd`;
      const all = existsSync(join(folder, 'guest', fd)) ? parseFiles(guest(fd), guest(`task/${pid}/fdinfo`)) : [];
      const expected = all
        .sort((a, b) => a.fd - b.fd)
        // init emptied /truth after the snapshot.
        .map(row => (row.path?.startsWith('/truth/') ? { ...row, path: `${row.path} (deleted)` } : row));
      count += rows.length;
      if (!moving(pid)) t.deepEqual<unknown, unknown>(rows, expected, `PID ${pid}`);
      else
        changed.push(
          ...expected
            .filter(row => !rows.some(one => one.fd === row.fd && one.path === row.path))
            .map(row => `${pid} ${row.fd}`),
        );
      const lines = [...guest(`task/${pid}/mountinfo`).matchAll(/^\d+ \d+ \S+ \S+ (\S+) (\S+) - (\S+) (\S+) rw/gm)];
      t.deepEqual(
        mounts(kernel, task, issues),
        lines.map(([, path, options, type, source]) => ({ source, path, type, options })),
        `PID ${pid}`,
      );
    }
    t.log(`${count} files; changed after the snapshot:`, changed.join(', '));
    t.true(count > 100 && changed.length < 10);
    t.deepEqual(issues.list(), []);
  }),
);

for (const dump of [whole, filtered]) {
  const name = dump === whole ? 'whole' : 'filtered';

  kexecTest(`mod, ${name}: /proc/modules`, t => {
    const { status, stdout } = kdumpling('mod', dump);
    t.is(status, 0);
    t.is(stdout, guest('proc/modules'));
  });

  kexecTest(`sym, ${name}: /proc/kallsyms`, t => {
    const { stdout } = kdumpling('sym', dump, '*');
    // Names that VMCOREINFO adds have no letter. Of two at one address with one name one is told. Programs of BPF are in no table: the kernel makes their lines up.
    const rows = new Set(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => line.replace(/ {2}\(.*$/, ''))
        .filter(line => line[17] !== '?'),
    );
    const lines = guest('proc/kallsyms')
      .trimEnd()
      .split('\n')
      .filter(line => !line.endsWith('[bpf]'));
    const expected = new Set(lines.map(line => line.replace('\t', ' ')));
    t.deepEqual(
      [...rows].filter(line => !expected.has(line)),
      [],
    );
    t.deepEqual(
      [...expected].filter(line => !rows.has(line)),
      [],
    );
    t.true(rows.size > 150_000);
  });

  kexecTest(`log, ${name}: what makedumpfile takes out, and what dmesg -r said`, t => {
    const rows = JSON.parse(kdumpling('log', dump, '--json').stdout) as LogRow[];
    const timed = rows.map(({ timestampNs, text, level, facility }) => {
      const ns = Number(timestampNs);
      const micros = String(Math.floor((ns % 1e9) / 1000)).padStart(6, '0');
      const time = `[${`${Math.floor(ns / 1e9)}.${micros}`.padStart(12)}] `;
      return { time, lines: text.split('\n'), raw: `<${facility * 8 + level}>${time}` };
    });
    // makedumpfile indents the further lines of a record, and writes what is not ASCII as numbers.
    const expected = readFileSync(join(folder, 'dmesg.txt'), 'utf8').replaceAll(/(?:\\xffffff[0-9a-f]{2})+/g, bytes =>
      Buffer.from(bytes.replaceAll('\\xffffff', ''), 'hex').toString(),
    );
    const indented = timed.flatMap(({ time, lines }) =>
      lines.map((line, i) => (i === 0 ? time : ' '.repeat(time.length)) + line),
    );
    t.deepEqual(indented, expected.trimEnd().split('\n'));
    const said = guest('dmesg.txt').trimEnd().split('\n');
    t.deepEqual(timed.flatMap(({ raw, lines }) => lines.map(line => raw + line)).slice(0, said.length), said);
    const { status, stdout } = kdumpling('log', dump);
    t.is(status, 0);
    t.is(stdout, timed.flatMap(({ time, lines }) => lines.map(line => `${time}${line}\n`)).join(''));
  });

  kexecTest(`info and env, ${name}`, t => {
    const info = JSON.parse(kdumpling('info', dump, '--json').stdout) as {
      release: string;
      panic: { pid: number; message: string };
    };
    t.is(info.release, /^Linux version (\S+)/.exec(guest('proc/version'))?.[1] ?? '');
    t.is(info.panic.pid, crashed());
    t.is(info.panic.message, 'Kernel panic - not syncing: sysrq triggered crash');
    const env = JSON.parse(kdumpling('env', dump, '--json').stdout) as { commandLine: string; memory: number };
    t.is(`${env.commandLine}\n`, guest('proc/cmdline'));
    t.is(env.memory / 1024, Number(/MemTotal: +(\d+) kB/.exec(guest('proc/meminfo'))?.[1]));
  });
}

kexecTest('filtered: the same rows as whole, exit status and all', t => {
  for (const words of [
    ['ps'],
    ['mounts'],
    ['mod'],
    ['env'],
    ['regs'],
    ['runq'],
    ['irq'],
    ...pids()
      .filter(one => !went(one))
      .slice(-12)
      .flatMap(pid => [
        ['vm', `${pid}`],
        ['files', `${pid}`],
      ]),
  ]) {
    const ask = (dump: string) => kdumpling(words[0] ?? '', dump, ...words.slice(1), '--json');
    const [all, less] = [ask(whole), ask(filtered)];
    t.deepEqual([less.status, JSON.parse(less.stdout)], [all.status, JSON.parse(all.stdout)], words.join(' '));
  }
});

/** makedumpfile 1.7.2 takes slab pages of 6.12 for others, and drops them. */
kexecTest('filtered by any makedumpfile: what it took is told, and nothing else is said in its place', t => {
  type Row = Readonly<Record<string, unknown>> & { readonly task: string };
  const all = new Map((JSON.parse(kdumpling('ps', whole, '--json').stdout) as Row[]).map(row => [row.task, row]));
  for (const name of readdirSync(folder).filter(file => /^vmcore\..*d31$/.test(file))) {
    const { status, stdout, stderr } = kdumpling('ps', join(folder, name), '--json');
    const rows = JSON.parse(stdout) as Row[];
    const { issues } = JSON.parse(stderr) as { issues: { message: string }[] };
    let unknown = all.size - rows.length;
    for (const row of rows)
      for (const [column, value] of Object.entries(row)) {
        if (value === null) unknown++;
        else t.deepEqual(value, all.get(row.task)?.[column], `${name} ${row.task} ${column}`);
      }
    t.is(status, issues.length > 0 ? 1 : 0);
    t.true(unknown === 0 || issues.length > 0, name);
    t.true(
      issues.every(({ message }) => /filtered out|elements may be missing/.test(message)),
      name,
    );
    t.log(`${name}: ${rows.length} of ${all.size} threads, ${unknown} values unknown, ${issues.length} notes`);
  }
});

kexecTest('vtop: user pages lie where /proc/PID/pagemap said', t =>
  withKernel((kernel, issues) => {
    let same = 0;
    let moved = 0;
    for (const file of readdirSync(join(folder, 'guest')).filter(name => name.startsWith('ktest-'))) {
      let pid = 0;
      for (const line of guest(file).split('\n')) {
        pid = Number(/^PID (\d+)/.exec(line)?.[1] ?? pid);
        const [, va, pfn] = /^([0-9a-f]{6,}) ([0-9a-f]+) \S+$/.exec(line) ?? [];
        if (va === undefined || Number.parseInt(pfn, 16) === 0 || pid === 0) continue;
        const mm = struct(kernel, 'task_struct').word('mm')(taskOfPid(kernel, pid, issues) ?? 0n);
        const physical = pageTableOf(kernel, mm)?.walk(BigInt(`0x${va}`)).physical ?? null;
        if (physical !== null && Math.floor(physical / 4096) === Number.parseInt(pfn, 16)) same++;
        else moved++;
      }
    }
    t.log(`${same} pages at the same place, ${moved} not`);
    t.true(same > 100 && moved * 20 < same);
  }),
);
