// The third example of docs/scripting.md.
import { openKernel } from 'kdumpling/analysis';
import { perCpu, perCpuGlobal } from 'kdumpling/analysis/collections';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);

for (const cpu of perCpu(kernel).possible) {
  const rq = perCpuGlobal(kernel, 'runqueues', cpu);
  console.log(cpu, rq.member('nr_running').number(), rq.member('curr.comm').text());
}
dump.close();
