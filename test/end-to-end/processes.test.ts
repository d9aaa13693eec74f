// ps, vm, files and mounts on real dumps with nothing but the dump, row by row: the guest's /proc of some seconds before the panic, and what drgn and crash say of the same memory.
import { readdirSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { mounts, processFiles } from 'kdumpling/analysis/fs';
import { processMemory } from 'kdumpling/analysis/mm';
import { taskOfPid, tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { parseFiles, parseSmaps, parseStat } from '../guest-proc.js';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

/** What changed between the guest's snapshot and the panic; all else must be equal. */
interface Changes {
  /** Ran when the guest looked, and had ended. */
  readonly went: Readonly<Record<number, string>>;
  /** Slept when the guest looked, and runs. */
  readonly runs: Readonly<Record<number, string>>;
  /** `PID START`: an area that has more pages now. */
  readonly grew: Readonly<Record<string, string>>;
  /** `PID FD`: a descriptor that was another, or none. */
  readonly files: Readonly<Record<string, string>>;
}

const SPINS = 'spins since init made /run/go, which it does when the snapshot is complete';
const CRASHES = 'the shell that waited, and then wrote to sysrq-trigger';
const COLLECTED = "init's output went to the snapshot's log while that was made";

const CHANGES: Readonly<Record<string, Changes>> = {
  'x86_64-6.1': {
    went: { 196: 'collect.sh made the snapshot' },
    runs: { 153: SPINS, 142: SPINS, 146: SPINS, 147: SPINS, 135: CRASHES },
    grew: { '1 3591e000': 'init went on', '135 401000': CRASHES },
    files: {
      '1 1': COLLECTED,
      '1 2': COLLECTED,
      '1 11': COLLECTED,
      '1 12': COLLECTED,
      '135 1': CRASHES,
      '135 11': CRASHES,
    },
  },
  'x86_64-7.3': {
    went: { 208: 'collect.sh made the snapshot' },
    runs: { 164: SPINS, 161: SPINS, 153: SPINS, 154: SPINS, 141: CRASHES, 25: 'a soft interrupt was due' },
    grew: { '1 305ab000': 'init went on', '141 401000': CRASHES },
    files: {
      '1 1': COLLECTED,
      '1 2': COLLECTED,
      '1 11': COLLECTED,
      '1 12': COLLECTED,
      '141 1': CRASHES,
      '141 11': CRASHES,
    },
  },
};

interface TrueTask {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly comm: string;
  readonly state: string;
  readonly cpu: number;
  readonly addr: string;
  readonly kthread: boolean;
  readonly mm: string;
  readonly rss: { readonly file: number; readonly anon: number; readonly shmem: number; readonly swap: number } | null;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const hex = (value: bigint): string => `0x${value.toString(16)}`;

async function withKernel(path: string, body: (kernel: Kernel, issues: Issues) => void): Promise<void> {
  const dump = await openFile(path);
  try {
    body(await openKernel(dump), new Issues());
  } finally {
    dump.close();
  }
}

function same<T>(t: ExecutionContext, found: readonly T[], expected: readonly T[], what: string): void {
  t.deepEqual(found, expected, what);
}

for (const [name, changes] of Object.entries(CHANGES)) {
  const file = `${name}.elf`;
  const dump = realDump(file);
  const truth = (path: string) => realTruth(`${name}/${path}`);
  const guest = truth('guest/guest/task');
  const guestPids = () =>
    readdirSync(guest)
      .map(Number)
      .filter(pid => changes.went[pid] === undefined)
      .sort((a, b) => a - b);
  const guestText = (pid: number, of: string) => readFileSync(`${guest}/${pid}/${of}`, 'utf8');

  realTest(`ps of ${name}: drgn's tasks`, [dump, truth('json/tasks.json')], t => {
    const { status, stdout, stderr } = kdumpling('ps', dump, '--json');
    t.is(status, 0);
    t.deepEqual(JSON.parse(stderr), { issues: [] });
    const expected = (readJson(truth('json/tasks.json')) as TrueTask[]).map(task => ({
      pid: task.pid,
      tgid: task.tgid,
      ppid: task.ppid,
      comm: task.comm,
      state: task.state,
      cpu: task.cpu,
      task: task.addr,
      kernelThread: task.kthread,
    }));
    const byPid = (a: { pid: number; cpu: number }, b: { pid: number; cpu: number }) => a.pid - b.pid || a.cpu - b.cpu;
    t.deepEqual((JSON.parse(stdout) as typeof expected).sort(byPid), expected.sort(byPid));
  });

  realTest(`ps of ${name}: the guest's /proc`, [dump, guest], async t => {
    await withKernel(dump, (kernel, issues) => {
      const found = new Map(tasks(kernel, issues).map(row => [row.pid, row]));
      const seen = new Set<number | null>([0]);
      for (const pid of readdirSync(guest)) {
        const threads = readdirSync(`${guest}/${pid}`).filter(entry => entry.startsWith('task-'));
        for (const entry of ['', ...threads.map(thread => `/${thread}`)]) {
          const stat = parseStat(readFileSync(`${guest}/${pid}${entry}/stat`, 'utf8'));
          seen.add(stat.pid);
          const row = found.get(stat.pid);
          t.is(row === undefined, changes.went[stat.pid] !== undefined, `${stat.pid} ${stat.comm}`);
          if (row === undefined) continue;
          // /proc gives kernel threads their whole name, and workers what they work on.
          const comm = row.kernelThread === true ? stat.comm.slice(0, row.comm?.length) : stat.comm;
          const state = changes.runs[stat.pid] === undefined ? stat.state : 'R';
          t.like(row, { pid: stat.pid, comm, state, ppid: stat.ppid });
        }
      }
      t.deepEqual(
        [...found.keys()].filter(pid => !seen.has(pid)),
        [],
        'nothing came',
      );
    });
  });

  realTest(`vm of ${name}: the guest's smaps, drgn's counters`, [dump, guest], async t => {
    const counted = new Map((readJson(truth('json/tasks.json')) as TrueTask[]).map(task => [task.pid, task]));
    await withKernel(dump, (kernel, issues) => {
      let areas = 0;
      for (const pid of guestPids()) {
        const task = taskOfPid(kernel, pid, issues);
        if (task === null) {
          t.fail(`PID ${pid} is not there`);
          continue;
        }
        const found = processMemory(kernel, task, issues);
        const expected = parseSmaps(guestText(pid, 'smaps'));
        const rows = (found?.areas ?? []).map(area => ({
          start: area.start.toString(16).padStart(8, '0'),
          end: area.end.toString(16).padStart(8, '0'),
          flags: area.flags,
          file: area.file,
          offset: area.offset,
          rss: area.rss,
          flagWords: area.flagWords,
        }));
        for (const [i, row] of rows.entries()) {
          const grew = changes.grew[`${pid} ${row.start.replace(/^0+/, '')}`] !== undefined;
          const before = expected[i]?.['rss'];
          if (grew) t.true(row.rss !== null && row.rss > Number(before));
          t.deepEqual(grew ? { ...row, rss: before } : row, expected[i], `${pid} ${row.start}`);
        }
        t.is(rows.length, expected.length, `areas of ${pid}`);
        areas += rows.length;
        const total = rows.reduce((sum, { rss }) => sum + (rss ?? 0), 0);
        t.is(
          (found?.rss?.total ?? 0) * kernel.pageSize,
          total,
          `the kernel's counters for ${pid} say what its page tables do`,
        );
        const rss = counted.get(pid)?.rss ?? null;
        if (rss === null || found === null) continue;
        t.is(hex(found.mm), counted.get(pid)?.mm ?? 'none');
        t.is(found.rss?.swapped, rss.swap);
        // drgn leaves out what it does not ask: from 6.2 on the CPUs that the panic took offline, before that the other process of a vfork.
        const shared = [...counted.values()].some(({ mm, tgid }) => BigInt(mm) === found.mm && tgid !== pid);
        if (name === 'x86_64-6.1' && !shared) t.is(found.rss?.total, rss.file + rss.anon + rss.shmem);
      }
      t.true(areas > 200);
      same(t, issues.list(), [], 'no findings');
    });
  });

  realTest(`files of ${name}: the guest's /proc, drgn's addresses`, [dump, guest], async t => {
    const { files } = readJson(truth('json/extra.json')) as { files: [pid: number, fd: number, file: string][] };
    const addresses = new Map(files.map(([pid, fd, address]) => [`${pid} ${fd}`, address]));
    await withKernel(dump, (kernel, issues) => {
      for (const pid of guestPids()) {
        const task = taskOfPid(kernel, pid, issues) ?? 0n;
        const found = processFiles(kernel, task, issues);
        for (const { fd, file: address } of found.files)
          t.deepEqual(hex(address), addresses.get(`${pid} ${fd}`) ?? 'none');
        t.is(found.files.length, files.filter(([owner]) => owner === pid).length, `files of ${pid}`);
        const unchanged = ({ fd }: { fd: number }) => changes.files[`${pid} ${fd}`] === undefined;
        const rows = found.files.map(({ fd, path, flags, position }) => ({ fd, path, flags, position }));
        const expected = parseFiles(guestText(pid, 'fd'), guestText(pid, 'fdinfo')).sort((a, b) => a.fd - b.fd);
        // init emptied /truth after the snapshot.
        const now = expected.map(row =>
          row.path?.startsWith('/truth/') ? { ...row, path: `${row.path} (deleted)` } : row,
        );
        same<unknown>(t, rows.filter(unchanged), now.filter(unchanged), `PID ${pid}`);
      }
      same(t, issues.list(), [], 'no findings');
    });
  });

  realTest(`mounts of ${name}: the guest's mountinfo`, [dump, guest], async t => {
    await withKernel(dump, (kernel, issues) => {
      for (const pid of guestPids()) {
        // ID PARENT DEVICE ROOT PATH OPTIONS - TYPE SOURCE SUPER-OPTIONS
        const expected = [...guestText(pid, 'mountinfo').matchAll(/^\d+ \d+ \S+ \S+ (\S+) (\S+) - (\S+) (\S+) rw/gm)];
        const rows = mounts(kernel, taskOfPid(kernel, pid, issues) ?? 0n, issues);
        same(
          t,
          rows,
          expected.map(([, path, options, type, source]) => ({ source, path, type, options })),
          `PID ${pid}`,
        );
      }
      same(t, issues.list(), [], 'no findings');
    });
  });
}
