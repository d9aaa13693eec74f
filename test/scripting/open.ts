// The first example of docs/scripting.md.
import { global, openKernel } from 'kdumpling/analysis';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);

const init = global(kernel, 'init_task');
console.log(init.toString());
console.log(init.member('comm').text(), init.member('cpus_ptr.bits[0]').word(), init.member('usage').number());
console.log(JSON.stringify(global(kernel, 'init_uts_ns').member('name').plain()));
dump.close();
