// runq on real dumps: crash's on 6.1, the run queues' own counts on every architecture, and tasks whose CPU ps tells.
import { readFileSync } from 'node:fs';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Task {
  readonly pid: number;
  readonly comm: string;
  readonly task: string;
  readonly priority: number;
}

interface Row {
  readonly cpu: number;
  readonly runqueue: string;
  readonly nrRunning: number;
  readonly current: Task;
  readonly idle: boolean;
  readonly realTime: { readonly address: string; readonly tasks: readonly Task[] };
  readonly fair: { readonly address: string; readonly tasks: readonly Task[] };
}

const dump = realDump('x86_64-6.1.elf');
const truth = realTruth('x86_64-6.1/crash-text/crash/runq.txt');

/** `runq` of crash, a CPU each. */
function crashQueues(text: string) {
  return text
    .split(/^CPU /m)
    .slice(1)
    .map(block => {
      const task = ([, pid, address, comm]: RegExpMatchArray) => [Number(pid), `0x${address}`, comm];
      const [current, ...waiting] = [...block.matchAll(/PID: (\d+) +TASK: ([0-9a-f]+) +COMMAND: "(.*)"/g)];
      return {
        cpu: Number.parseInt(block, 10),
        runqueue: `0x${/RUNQUEUE: ([0-9a-f]+)/.exec(block)?.[1]}`,
        realTime: `0x${/RT PRIO_ARRAY: ([0-9a-f]+)/.exec(block)?.[1]}`,
        current: task(current),
        waiting: waiting.map(task),
        priorities: [...block.matchAll(/^ +\[ *(\d+)\] PID/gm)].map(([, priority]) => Number(priority)),
      };
    });
}

realTest("runq of x86_64-6.1: crash's", [dump, truth], t => {
  const { status, stdout, stderr } = kdumpling('runq', dump, '--json');
  t.is(status, 0);
  t.deepEqual(JSON.parse(stderr), { issues: [] });
  const brief = ({ pid, task, comm }: Task) => [pid, task, comm];
  const found = (JSON.parse(stdout) as Row[]).map(row => ({
    cpu: row.cpu,
    runqueue: row.runqueue,
    realTime: row.realTime.address,
    current: brief(row.current),
    waiting: [...row.realTime.tasks, ...row.fair.tasks].map(brief),
    priorities: [...row.realTime.tasks, ...row.fair.tasks].map(({ priority }) => priority),
  }));
  const expected = crashQueues(readFileSync(truth, 'utf8'));
  t.is(expected.length, 2);
  t.deepEqual(found, expected);
});

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'ppc64le-6.1', 's390x-6.1', 'i386-6.1']) {
  const vmlinux = name.startsWith('x86') || name.startsWith('arm64') ? [] : [realVmlinux(name)];
  const file = realDump(`${name}.elf`);
  realTest(`runq of ${name}: every thread that ps calls running is on the queue of its CPU`, [file, ...vmlinux], t => {
    const options = vmlinux.flatMap(path => ['--vmlinux', path]);
    const { status, stdout, stderr } = kdumpling('runq', file, '--json', ...options);
    t.is(status, 0, stderr);
    t.notRegex(stderr, /run-queue/);
    const tasks = JSON.parse(kdumpling('ps', file, '--json', ...options).stdout) as {
      pid: number;
      cpu: number;
      state: string;
    }[];
    for (const row of JSON.parse(stdout) as Row[]) {
      const pids = [row.current, ...row.realTime.tasks, ...row.fair.tasks].map(({ pid }) => pid);
      const running = tasks.filter(({ pid, cpu, state }) => pid !== 0 && cpu === row.cpu && state === 'R');
      const found = [...new Set(pids)].filter(pid => pid !== 0).sort((a, b) => a - b);
      t.deepEqual(
        found,
        running.map(({ pid }) => pid).sort((a, b) => a - b),
      );
      t.is(found.length, row.nrRunning);
    }
  });
}

realTest('runq of one CPU, for people; a CPU that is not there', [dump], t => {
  const { status, stdout } = kdumpling('runq', dump, '1');
  t.is(status, 0);
  t.is(
    stdout,
    `CPU 1  RUNQUEUE: 0xffff8a5d9f331980  RUNNING: 1  offline
  CURRENT: PID: 146    TASK: 0xffff8a5d82578000  COMMAND: "kt-swapspin"
  REAL-TIME: none
  FAIR: none
`,
  );
  const none = kdumpling('runq', dump, '2');
  t.is(none.status, 1);
  t.regex(none.stderr, /no CPU 2 \[no-such-cpu\]/);
  t.is(kdumpling('runq', dump, 'x').status, 2);
});
