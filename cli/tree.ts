// kdumpling tree: any red-black tree, radix tree, XArray, maple tree or IDR of the kernel, in order.
import { Command, Option } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { idrEntries, MapleWalk, radixTree, rbNodes, xarray } from 'kdumpling/analysis/collections';
import { type NamedValue, struct } from 'kdumpling/analysis/object';
import { hex, type Issues } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { elementLines, elementOf, memberOffset, PrintedMembers, plainMembers, startAddress } from './walk-arguments.js';

interface TreeArguments extends KernelOptions {
  readonly type: 'rbtree' | 'radix' | 'xarray' | 'maple' | 'idr';
  readonly root?: string;
  readonly offset?: string;
  readonly struct?: string;
  readonly print?: string;
}

/** One entry; `first` and `last` are its indexes, null in a red-black tree. */
interface TreeRow {
  readonly address: bigint;
  readonly first: bigint | null;
  readonly last: bigint | null;
  readonly values: readonly NamedValue[] | null;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Walk a tree in order.')
      .addArgument(dumpArgument())
      .argument('<start>', "the tree's root structure: SYMBOL, SYMBOL+0x… or an address")
      .addOption(
        new Option('-t, --type <type>', 'what it is')
          .choices(['rbtree', 'radix', 'xarray', 'maple', 'idr'])
          .makeOptionMandatory(),
      )
      .option('-r, --root <struct.member>', 'START is a struct that has the root: STRUCT.MEMBER, or bytes')
      .option('-o, --offset <struct.member>', 'the rb_node in each element: STRUCT.MEMBER, or bytes')
      .option('--struct <name>', 'the struct that entries point at')
      .option('-s, --print <members>', 'members of each element, separated by commas; a path goes through pointers'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling tree vmcore init_pid_ns -t idr -r pid_namespace.idr --struct pid --print level,numbers[0].nr\n  kdumpling tree vmcore 0xffff… -t maple -r mm_struct.mm_mt --struct vm_area_struct --print vm_start',
    )
    .action((dump: string, start: string, options: TreeArguments) => tree(context, dump, start, options));

function tree(context: CommandContext, dump: string, start: string, options: TreeArguments): Promise<void> {
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const root = startAddress(kernel, start) + BigInt(memberOffset(kernel, options.root).offset);
    const node = memberOffset(kernel, options.offset);
    const layout = options.struct === undefined ? node.layout : struct(kernel, options.struct);
    const members = new PrintedMembers(kernel, layout, options.print);
    const rows: TreeRow[] = [];
    for (const { address, first, last } of entries(kernel, root, node.offset, options.type, issues)) {
      const isPointer = options.type === 'rbtree' || (address & 1n) === 0n;
      rows.push({ address, first, last, values: isPointer ? members.of(address) : null });
    }
    const whole = issues.count === 0;
    return {
      json: rows.map(row => ({ ...row, values: plainMembers(row.values) })),
      *text() {
        for (const row of rows) yield* elementLines(headOf(row), row.values);
      },
      partial: !members.tell(issues) || !whole,
    };
  });
}

function headOf({ address, first, last }: TreeRow): string {
  const range = first === null ? '' : `  ${hex(first)}${last === null || last === first ? '' : `-${hex(last)}`}`;
  return `${hex(address)}${range}`;
}

type Entry = Pick<TreeRow, 'address' | 'first' | 'last'>;

function* entries(
  kernel: Kernel,
  root: bigint,
  offset: number,
  type: TreeArguments['type'],
  issues: Issues,
): Iterable<Entry> {
  if (type === 'rbtree') {
    for (const node of rbNodes(kernel, root, issues))
      yield { address: elementOf(node, offset), first: null, last: null };
  } else if (type === 'maple') {
    const walk = new MapleWalk(kernel, root, issues);
    for (const address of walk) yield { address, first: walk.first, last: walk.last };
  } else if (type === 'idr') {
    const walk = idrEntries(kernel, root, issues);
    for (const address of walk) yield { address, first: BigInt(walk.id), last: BigInt(walk.id) };
  } else {
    const walk = type === 'xarray' ? xarray(kernel, root, issues) : radixTree(kernel, root, issues);
    for (const address of walk) yield { address, first: walk.index, last: walk.last };
  }
}
