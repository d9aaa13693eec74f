// Variables that the dump's symbol table does not have. The truth: the symbol table of the matching vmlinux, moved by KASLR as SYMBOL(_stext) of VMCOREINFO tells.
import { openKernel } from 'kdumpling/analysis';
import { FACTS } from 'kdumpling/analysis/symbols';
import { ElfSymbols } from 'kdumpling/reader/debuginfo';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realVmlinux } from '../../real.js';

const DUMP = realDump('arm64-6.1.elf');
const VMLINUX = realVmlinux('arm64-6.1');

realTest('arm64-6.1: every variable that is found lies where the vmlinux has it', [DUMP, VMLINUX], async t => {
  const dump = await openFile(DUMP);
  const source = new FileSource(VMLINUX);
  const truth = ElfSymbols.open(source);
  const names = FACTS.map(({ name }) => name);
  const linked = truth.linked([...names, '_stext', '__per_cpu_start', 'cpu_number', 'irq_stack_ptr', 'kernel_cpustat']);
  const shift = (dump.vmcoreinfo?.symbol('_stext') ?? 0n) - (linked.get('_stext') ?? 0n);
  const kernel = await openKernel(dump);
  const found = kernel.symbols.resolve(linked.keys());
  for (const [name, address] of linked) {
    t.is(found.get(name)?.address, address + shift, name);
    t.true(name === '_stext' || found.get(name)?.from !== undefined, name);
  }
  // What the kernel does not have is not found: sparse_irqs came with 6.5.
  t.deepEqual(
    names.filter(name => !linked.has(name)),
    ['sparse_irqs'],
  );
  t.is(kernel.symbol('sparse_irqs'), null);
  t.is(kernel.symbols.at((found.get('init_task')?.address ?? 0n) + 16n)?.name, 'init_task');
  t.is(kernel.symbols.source, 'kallsyms,vmcoreinfo,found');
  source.close();
  dump.close();
});

realTest('a kernel whose table has its variables needs none found', [realDump('x86_64-6.1.elf')], async t => {
  const dump = await openFile(realDump('x86_64-6.1.elf'));
  const kernel = await openKernel(dump);
  t.is(kernel.symbols.source, 'kallsyms,vmcoreinfo');
  t.is(kernel.symbol('init_task')?.from, undefined);
  t.is(kernel.symbol('no_such_variable'), null);
  dump.close();
});
