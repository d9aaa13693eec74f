// CPU time of a whole `ps`, from a dump with nothing but the dump, beside crash and drgn with the kernel's vmlinux. `node dist/bench/ps.js DUMP VMLINUX`. Fails where ours takes a tenth of
// crash's time or 0.7 of drgn's.
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandSeconds, hasPeer, inPeers } from './command-seconds.js';
import { table } from './measure.js';

const ROUNDS = 5;
const MOST_OF_CRASH = 0.1;
const MOST_OF_DRGN = 0.7;
const here = dirname(fileURLToPath(import.meta.url));
const command = join(here, '../bin/kdumpling.js');
const DRGN = `
import sys, drgn
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.sched import task_cpu, task_state_to_char
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
for task in for_each_task(prog):
    print(task.pid.value_(), task.tgid.value_(), task.real_parent.tgid.value_(), task_cpu(task), task_state_to_char(task), hex(task.value_()), task.comm.string_())
`;

const [dump, vmlinux] = process.argv.slice(2).map(path => resolve(path));
if (dump === undefined || vmlinux === undefined) throw new Error('usage: ps DUMP VMLINUX');
const folders = [dirname(dump), dirname(vmlinux)];
const seconds = (words: readonly string[], input = ''): number => commandSeconds(words, ROUNDS, input);

const ours = seconds([process.execPath, command, 'ps', dump]);
const rows: (string | number)[][] = [
  ['command', 'CPU s', 'ours / it'],
  ['node -e 0', seconds([process.execPath, '-e', '0']), ''],
  ['kdumpling --version', seconds([process.execPath, command, '--version']), ''],
  ['kdumpling ps', ours, 1],
];

function against(name: string, most: number, words: readonly string[], input = ''): void {
  if (!hasPeer(words[0])) {
    rows.push([`${name}: not installed`, '', '']);
    return;
  }
  // What entering the chroot costs is not the peer's.
  const theirs = seconds(inPeers(folders, ...words), input) - seconds(inPeers(folders, 'true'));
  const share = +(ours / theirs).toFixed(3);
  if (share >= most) process.exitCode = 1;
  rows.push([name, +theirs.toFixed(3), share]);
}

against('crash ps, with its vmlinux', MOST_OF_CRASH, ['crash', '-s', vmlinux, dump], 'ps\nquit\n');
against('drgn, with its vmlinux', MOST_OF_DRGN, ['python3', '-c', DRGN, dump, vmlinux]);
console.log(table(rows));
