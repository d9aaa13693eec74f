// The fifth example of docs/scripting.md.
import { global, Missing, openKernel } from 'kdumpling/analysis';
import { objectAt, struct } from 'kdumpling/analysis/object';
import { MemoryFault } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);

// Newest first: __state came with 5.14.
const state = struct(kernel, 'task_struct').which('__state', 'state');
console.log(global(kernel, 'init_task').member(state).number());

// One list of all vmalloc areas until 6.8, a list for each node since.
const nodes = kernel.symbol('vmap_nodes') === null ? 1 : global(kernel, 'nr_vmap_nodes').number();
console.log(nodes);

for (const [type, path, address] of [
  ['struct task_struct', 'no_such_member', kernel.address('init_task')],
  ['struct list_head', 'next', 0x1000n],
] as const) {
  try {
    console.log(objectAt(kernel, type, address).member(path).word());
  } catch (error) {
    if (error instanceof Missing) console.log(error.kind, error.what);
    else if (error instanceof MemoryFault) console.log(error.reason);
    else throw error;
  }
}
dump.close();
