// The second example of docs/scripting.md.
import { global, openKernel } from 'kdumpling/analysis';
import { listObjects } from 'kdumpling/analysis/collections';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);
const issues = new Issues();

const head = global(kernel, 'init_task').member('tasks');
for (const task of listObjects(head, 'struct task_struct', 'tasks', issues)) {
  const mm = task.member('mm');
  if (mm.word() === 0n) continue; // a kernel thread
  console.log(task.member('pid').number(), task.member('comm').text(), mm.member('total_vm').number());
}
for (const { message } of issues) console.error(message);
dump.close();
