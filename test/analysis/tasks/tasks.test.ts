// Tasks of a kernel made by hand: whole, damaged, with missing members, with a task that only one way leads to.
import test from 'ava';
import { Missing } from 'kdumpling/analysis';
import { stateLetter, taskOfPid, tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { compound } from '../made-kernel.js';
import { type MadeTask, MadeTasks, TASK, TYPES } from './made-tasks.js';

const MADE: readonly MadeTask[] = [
  { pid: 0, comm: 'swapper/0', kernelThread: true },
  { pid: 1, comm: 'init', state: 1 },
  { pid: 7, comm: 'worker', state: 0x402, kernelThread: true, cpu: 1 },
  { pid: 5, tgid: 1, comm: 'init-thread', state: 2 },
  { pid: 9, comm: 'gone', state: 0x40, exitState: 0x20, cpu: null },
];

function ask(made: MadeTasks, holes: readonly bigint[] = [], types = TYPES) {
  const issues = new Issues();
  const rows = tasks(made.kernel(holes, types), issues);
  // Nothing names the run queues of this kernel: its one idle task is init_task.
  const list = issues.list().filter(({ message }) => !message.startsWith('the idle tasks'));
  return { rows, pids: rows.map(({ pid }) => pid), codes: list.map(({ code }) => code), list };
}

test('states, as fs/proc/array.c has them', t => {
  const states: readonly (readonly [number, number, string])[] = [
    [0, 0, 'R'],
    [1, 0, 'S'],
    [2, 0, 'D'],
    [4, 0, 'T'],
    [8, 0, 't'],
    [0x80, 0x10, 'X'],
    [0x80, 0x20, 'Z'],
    [0x40, 0, 'P'],
    [0x402, 0, 'I'],
    [0x102, 0, 'D'],
    [0x200, 0, 'R'],
    [0x800, 0, 'R'],
    [0x1000, 0, 'D'],
    [0x8000, 0, 'D'],
    [0x2001, 0, 'S'],
  ];
  for (const [state, exit, letter] of states) t.is(stateLetter(state, exit), letter, `${state} ${exit}`);
});

test('rows, and their order', t => {
  const made = new MadeTasks(MADE);
  const { rows, codes } = ask(made);
  t.deepEqual(codes, []);
  const row = (pid: number, tgid: number, comm: string, state: string, cpu: number | null, kernelThread: boolean) => ({
    pid,
    tgid,
    ppid: 0,
    comm,
    state,
    cpu,
    task: made.task(pid),
    kernelThread,
  });
  t.deepEqual(rows, [
    row(0, 0, 'swapper/0', 'R', 0, true),
    row(1, 1, 'init', 'S', 0, false),
    row(5, 1, 'init-thread', 'D', 0, false),
    row(7, 7, 'worker', 'I', 1, true),
    row(9, 9, 'gone', 'Z', null, false),
  ]);
  const issues = new Issues();
  t.is(taskOfPid(made.kernel(), 5, issues), made.task(5));
  t.is(taskOfPid(made.kernel(), 6, issues), null);
});

test('a process that was taken out of the list', t => {
  const made = new MadeTasks(MADE);
  made.unlink(7);
  const { pids, codes, list } = ask(made);
  t.deepEqual(pids, [0, 1, 5, 7, 9]);
  t.deepEqual(codes, ['task-not-listed']);
  t.is(list[0].address, made.task(7));
});

test('a process without a number, and one under another', t => {
  const made = new MadeTasks(MADE);
  made.unhash(7);
  made.memory.u32((made.pids.get(9) ?? 0n) + 40n, 99);
  const { pids, codes } = ask(made);
  t.deepEqual(pids, [0, 1, 5, 7, 9]);
  t.deepEqual(codes, ['task-not-numbered', 'pid-differs']);
});

test('a list that is cut: PIDs lead to the rest, and nothing is said of what the list does not reach', t => {
  const made = new MadeTasks(MADE);
  made.memory.words(made.task(7) + 40n, 0xdead_0000_0000_0100n, 0xdead_0000_0000_0122n);
  const { pids, codes } = ask(made);
  t.deepEqual(pids, [0, 1, 5, 7, 9]);
  t.true(codes.includes('damaged-list'));
  t.false(codes.includes('task-not-listed'));
});

test('a task that the dump does not have', t => {
  const made = new MadeTasks(MADE);
  const { rows, list } = ask(made, [made.task(7)]);
  const row = rows.find(({ task }) => task === made.task(7));
  t.deepEqual([row?.pid, row?.comm, row?.state, row?.kernelThread], [null, null, null, null]);
  t.deepEqual(
    rows.map(({ pid }) => pid),
    [0, 1, 5, 9, null],
  );
  const told = list.filter(({ code, address }) => code === 'unreadable-memory' && address === made.task(7));
  t.is(told.length, 1, 'once for all columns');
  t.regex(told[0].message, /kernelThread, pid, tgid, ppid, comm, state, cpu/);
});

test('a stack that the dump does not have costs the CPU alone', t => {
  const made = new MadeTasks(MADE);
  made.memory.words(made.task(7) + 16n, 0x1234n);
  const { rows, codes } = ask(made);
  t.deepEqual(
    rows.filter(({ cpu }) => cpu === null).map(({ pid }) => pid),
    [7, 9],
  );
  t.deepEqual(codes, ['unreadable-memory']);
});

test('a member that this kernel lacks costs its column alone', t => {
  const made = new MadeTasks(MADE);
  const less = compound(
    'struct',
    'task_struct',
    256,
    TASK.members.filter(({ name }) => name !== 'comm').map(({ name, type, bitOffset }) => [name, type, bitOffset]),
  );
  const { rows, codes } = ask(made, [], [less, ...TYPES.filter(type => type !== TASK)]);
  t.deepEqual(codes, ['missing-member']);
  t.deepEqual(
    rows.map(({ comm }) => comm),
    [null, null, null, null, null],
  );
  t.deepEqual(
    rows.map(({ pid }) => pid),
    [0, 1, 5, 7, 9],
  );
});

test('numbers that hash to nonsense', t => {
  const made = new MadeTasks(MADE);
  const number = made.pids.get(9) ?? 0n;
  made.memory.words(number, 0xffff_0000_1234_0000n);
  made.memory.words(number + 56n, number + 56n);
  const { pids } = ask(made);
  t.true([0, 1, 5, 7, 9].every(pid => pids.includes(pid)));
});

test('without types there is no answer', t => {
  const made = new MadeTasks(MADE);
  const error = t.throws(() => tasks(made.kernel([], []), new Issues()), { instanceOf: Missing });
  t.is(error?.what, 'struct task_struct');
});
