// The sixth example of docs/scripting.md.
import { openKernel } from 'kdumpling/analysis';
import { modules } from 'kdumpling/analysis/modules';
import { tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);
const issues = new Issues();

const waiting = tasks(kernel, issues).filter(({ state, kernelThread }) => state === 'S' && kernelThread === false);
console.log(waiting.map(({ pid, comm }) => `${pid} ${comm}`).join('\n'));
for (const { name, size } of modules(kernel, issues)) console.log(name, size);
for (const { message } of issues) console.error(message);
dump.close();
