// ps, vm and files where 6.1 of x86_64 was not taken whole: crash's texts of it, a dump filtered at level 31, and kernels of other architectures with the guest's own lines.
import { readFileSync } from 'node:fs';
import { Kernel, openKernel } from 'kdumpling/analysis';
import { processFiles } from 'kdumpling/analysis/fs';
import { type ProcessMemory, processMemory } from 'kdumpling/analysis/mm';
import { taskOfPid, tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Row {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly comm: string;
  readonly state: string;
  readonly cpu: number;
  readonly task: string;
  readonly kernelThread: boolean;
}

const full = realDump('x86_64-6.1.elf');
const ARM64 = realDump('arm64-6.1.elf');
const crash = (name: string) => realTruth(`x86_64-6.1/crash-text/crash/${name}.txt`);
const CRASH_STATES: Readonly<Record<string, string>> = { R: 'RU', S: 'IN', D: 'UN', T: 'ST', Z: 'ZO', I: 'ID' };

realTest("ps: crash's rows", [full, crash('ps')], t => {
  const rows = JSON.parse(kdumpling('ps', full, '--json').stdout) as Row[];
  const expected = [
    ...readFileSync(crash('ps'), 'utf8').matchAll(
      /^>? +(\d+) +(\d+) +(\d+) +([0-9a-f]{16}) +(\w+) +\S+ +\d+ +\d+ +(.*)$/gm,
    ),
  ];
  const found = rows.map(({ pid, ppid, cpu, task, state, comm, kernelThread }) => [
    `${pid}`,
    // crash calls the parent of every idle task 0; the second CPU's was started by init.
    `${pid === 0 ? 0 : ppid}`,
    `${cpu}`,
    task.slice(2),
    CRASH_STATES[state],
    kernelThread ? `[${comm}]` : comm,
  ]);
  const order = (a: string[], b: string[]) => Number(a[0]) - Number(b[0]) || Number(a[2]) - Number(b[2]);
  t.deepEqual(found.sort(order), expected.map(match => match.slice(1)).sort(order));
});

realTest(
  "vm and files: crash's areas, paths and addresses",
  [full, crash('foreach-vm'), crash('foreach-files')],
  async t => {
    const dump = await openFile(full);
    try {
      const kernel = await openKernel(dump);
      const issues = new Issues();
      const byTask = (text: string) =>
        text.split(/^(?=PID: )/m).map(block => [/TASK: ([0-9a-f]+)/.exec(block)?.[1] ?? '', block] as const);
      let areas = 0;
      for (const [task, block] of byTask(readFileSync(crash('foreach-vm'), 'utf8'))) {
        const expected = [...block.matchAll(/^([0-9a-f]{16}) +([0-9a-f]+) +([0-9a-f]+) [0-9a-f]+ (.*)$/gm)];
        const found = processMemory(kernel, BigInt(`0x${task}`), issues)?.areas ?? [];
        t.deepEqual(
          found.map(({ address, start, end, file }) => [
            ...[address, start, end].map(value => value.toString(16)),
            nameOf(file),
          ]),
          expected.map(([, address, start, end, file]) => [address, start, end, file.trim().replace(/^\//, '')]),
        );
        areas += found.length;
      }
      t.true(areas > 250);
      for (const [task, block] of byTask(readFileSync(crash('foreach-files'), 'utf8'))) {
        const expected = [...block.matchAll(/^ *(\d+) ([0-9a-f]{16}) [0-9a-f]+ [0-9a-f]+ (\w+) +(.*)$/gm)];
        const { files, root, cwd } = processFiles(kernel, BigInt(`0x${task}`), issues);
        t.deepEqual(
          files.map(({ fd, file }) => [`${fd}`, file.toString(16)]),
          expected.map(([, fd, file]) => [fd, file]),
        );
        for (const [i, [, , , type, path]] of expected.entries()) {
          // crash has no names for sockets, pipes and anonymous files, and does not say what was deleted.
          if (!path.startsWith('/') || files[i].path?.startsWith('/memfd:')) t.not(type, 'REG ');
          else t.is(files[i].path?.replace(/ \(deleted\)$/, ''), path.trimEnd());
        }
        const directories = /^ROOT: (\S+) +CWD: (\S+) *$/m.exec(block);
        if (directories !== null) t.deepEqual([root ?? '/', cwd ?? '/'], [directories[1], directories[2]]);
      }
      t.deepEqual(issues.list(), []);
    } finally {
      dump.close();
    }
  },
);

/** crash prints neither the kernel's own names nor that a file was deleted, and shared memory without a path. */
const nameOf = (file: string | null): string =>
  file === null || file.startsWith('[') ? '' : file.replace(/ \(deleted\)$/, '').replace(/^\//, '');

const filtered = realDump('x86_64-6.1.zstd-d31.kdump');

realTest('a dump filtered at level 31 answers as the whole one', [full, filtered], t => {
  for (const words of [['ps'], ['vm', '121'], ['files', '119'], ['mounts']]) {
    const [command, ...rest] = words;
    const [whole, less] = [full, filtered].map(dump => kdumpling(command, dump, ...rest, '--json'));
    t.deepEqual([less.status, JSON.parse(less.stdout)], [whole.status, JSON.parse(whole.stdout)], words.join(' '));
  }
});

const cut = realDump('x86_64-7.3.none-d31.kdump');

realTest('what filtering took is told, not guessed', [cut], t => {
  // makedumpfile 1.7.8 drops slab pages of 7.3: the tree of PIDs and most signal_structs are gone.
  const { status, stdout, stderr } = kdumpling('ps', cut, '--json');
  t.is(status, 1);
  const { issues } = JSON.parse(stderr) as { issues: { code: string; message: string }[] };
  t.true(issues.some(({ code, message }) => code === 'unreadable-xarray' && /filtered out/.test(message)));
  t.deepEqual(
    issues.filter(({ code }) => /^task-not|^pid-differs/.test(code)),
    [],
  );
  // One process whose threads are not to be had, and how many more.
  const lists = issues.filter(({ code }) => code === 'unreadable-list').map(({ message }) => message);
  t.is(lists.length, 2, lists.join('\n'));
  t.regex(lists[0], /^list of the threads of the process at 0x\w+: its head, .*filtered out/);
  t.regex(lists[1], /the threads of 24 more processes/);
  const whole = JSON.parse(kdumpling('ps', realDump('x86_64-7.3.elf'), '--json').stdout) as Row[];
  const rows = JSON.parse(stdout) as Row[];
  t.true(rows.length >= 80);
  const known = new Map(whole.map(row => [row.task, row]));
  for (const row of rows) {
    for (const [column, value] of Object.entries(row)) {
      if (value !== null) t.is(value, known.get(row.task)?.[column as keyof Row], `${row.pid} ${column}`);
    }
  }
});

for (const name of ['arm64-6.1', 'ppc64le-6.1', 's390x-6.1', 'i386-6.1']) {
  const file = realDump(`${name}.elf`);
  const lines = realTruth(`${name}/guest-lines.txt`);
  const vmlinux = realVmlinux(name);

  realTest(`${name}: the guest's lines`, [file, lines, vmlinux], async t => {
    const dump = await openFile(file);
    const source = new FileSource(vmlinux);
    try {
      const kernel = await openKernel(dump, { vmlinux: source });
      const issues = new Issues();
      const rows = new Map(tasks(kernel, issues).map(row => [row.pid, row]));
      const text = readFileSync(lines, 'utf8');
      const went: number[] = [];
      let seen = 0;
      for (const [, tgid, tid, comm, state] of text.matchAll(/^TASK tgid=(\d+) tid=(\d+) comm=(.*) state=(\w)$/gm)) {
        const row = rows.get(Number(tid));
        if (row === undefined) {
          went.push(Number(tid));
          continue;
        }
        seen++;
        const name15 = row.kernelThread === true ? comm.slice(0, row.comm?.length) : comm;
        t.deepEqual([row.tgid, row.comm], [Number(tgid), name15], `TASK ${tid}`);
        // init, who told these lines, and what it waits for go on.
        if (comm.startsWith('kd')) t.is(row.state, state, `TASK ${tid}`);
      }
      t.true(seen > 40);
      t.deepEqual(went, [], 'nothing went');
      for (const [, pid, cwd, exe] of text.matchAll(/^FDS pid=(\d+) cwd=(\S+) exe=(\S+)$/gm)) {
        const found = processFiles(kernel, taskOfPid(kernel, Number(pid), issues) ?? 0n, issues);
        t.deepEqual([found.cwd, found.exe], [cwd, exe], `FDS ${pid}`);
      }
      let pages = 0;
      for (const [, pid, tag, va, present] of text.matchAll(
        /^PM name=\S+ pid=(\d+) tag=(\S+) va=([0-9a-f]+) .*present=(\d)/gm,
      )) {
        const task = taskOfPid(kernel, Number(pid), issues) ?? 0n;
        const address = BigInt(`0x${va}`);
        const area = processMemory(kernel, task, issues)?.areas.find(
          ({ start, end }) => start <= address && address < end,
        );
        pages++;
        // As in smaps, huge pages of hugetlbfs and the page of zeros do not count.
        const counts = present === '1' && !/^(htlb|zeropage)/.test(tag);
        t.is((area?.rss ?? -1) > 0, counts, `${pid} ${tag} ${va}`);
      }
      t.true(pages > 20);
      t.deepEqual(issues.list(), []);
    } finally {
      source.close();
      dump.close();
    }
  });
}

/** The kernel without one of its symbols. */
function without(kernel: Kernel, hidden: string): Kernel {
  const { dump, arch, own, issues } = kernel;
  const rest: Symbols = {
    source: own.source,
    count: own.count,
    resolve: names => own.resolve([...names].filter(name => name !== hidden)),
    all: name => (name === hidden ? [] : own.all(name)),
    search: match => own.search(name => name !== hidden && match(name)),
    at: address => own.at(address),
  };
  return new Kernel({ dump, arch, symbols: rest, types: () => kernel.types, issues });
}

realTest('arm64-6.1 without a vmlinux: what page tables map is what the kernel counted', [ARM64], async t => {
  const dump = await openFile(ARM64);
  try {
    const kernel = await openKernel(dump);
    const less = without(kernel, 'empty_zero_page');
    const issues = new Issues();
    let processes = 0;
    let more = 0;
    for (const { task } of tasks(kernel, issues).filter(({ pid, tgid }) => pid === tgid)) {
      const memory = processMemory(kernel, task, issues);
      if (memory === null) continue;
      processes++;
      const pages = (found: ProcessMemory) =>
        found.areas.reduce((sum, { rss }) => sum + (rss ?? Number.NaN), 0) / kernel.pageSize;
      t.is(pages(memory), memory.rss?.total ?? -1, `${processes}`);
      // The guest's kdbase has read where it never wrote: one page more, which is said.
      const told = new Issues();
      const other = processMemory(less, task, told);
      if (other !== null && pages(other) !== memory.rss?.total) more++;
      t.deepEqual(
        told.list().map(({ code }) => code),
        ['missing-symbol'],
      );
      t.regex(told.list()[0].message, /empty_zero_page/);
    }
    t.deepEqual([processes, more], [10, 1]);
    t.deepEqual(issues.list(), []);
  } finally {
    dump.close();
  }
});
