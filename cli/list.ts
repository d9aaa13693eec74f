// kdumpling list: any list of the kernel, from a head or from one of its elements.
import { Command, Option } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { chainNodes, hlistNodes, listNodes, llistNodes } from 'kdumpling/analysis/collections';
import type { NamedValue } from 'kdumpling/analysis/object';
import { hex, type Issues } from 'kdumpling/reader';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { elementLines, elementOf, memberOffset, PrintedMembers, plainMembers, startAddress } from './walk-arguments.js';

interface ListArguments extends KernelOptions {
  readonly offset?: string;
  readonly head?: boolean;
  readonly reverse?: boolean;
  readonly print?: string;
  readonly kind: 'list' | 'hlist' | 'llist' | 'chain';
}

/** One element: its struct's address, and that of the node in it. */
interface ListRow {
  readonly address: bigint;
  readonly node: bigint;
  readonly values: readonly NamedValue[] | null;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Walk a list: from the head, which is no element, or from an element, which is the first.')
      .addArgument(dumpArgument())
      .argument('<start>', 'where it begins: SYMBOL, SYMBOL+0x… or an address; without --head a whole struct')
      .option('-o, --offset <struct.member>', 'the node in each element: STRUCT.MEMBER, or bytes')
      .option('-H, --head', 'START is the head alone and no element')
      .option('-r, --reverse', 'by way of prev')
      .option('-s, --print <members>', 'members of each element, separated by commas; a path goes through pointers')
      .addOption(
        new Option('--kind <kind>', 'what the links are; chain: one pointer to the next')
          .choices(['list', 'hlist', 'llist', 'chain'])
          .default('list'),
      ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling list vmcore init_task -o task_struct.tasks --print pid,comm,mm.owner.comm\n  kdumpling list vmcore modules --head -o module.list --print name',
    )
    .action((dump: string, start: string, options: ListArguments) => list(context, dump, start, options));

function list(context: CommandContext, dump: string, start: string, options: ListArguments): Promise<void> {
  if (options.reverse === true && options.kind !== 'list') throw new UsageError('--reverse is for lists with a prev');
  if ((options.kind === 'hlist' || options.kind === 'llist') && options.head !== true) {
    throw new UsageError(`an ${options.kind} begins at its head: give it, with --head`);
  }
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const { layout, offset } = memberOffset(kernel, options.offset);
    const members = new PrintedMembers(kernel, layout, options.print);
    const rows: ListRow[] = [];
    for (const node of nodes(kernel, startAddress(kernel, start), offset, options, issues)) {
      const address = elementOf(node, offset);
      rows.push({ address, node, values: members.of(address) });
    }
    const whole = issues.count === 0;
    return {
      json: rows.map(row => ({ ...row, values: plainMembers(row.values) })),
      *text() {
        for (const { address, values } of rows) yield* elementLines(hex(address), values);
      },
      partial: !members.tell(issues) || !whole,
    };
  });
}

function* nodes(
  kernel: Kernel,
  start: bigint,
  offset: number,
  { kind, head = false, reverse = false }: ListArguments,
  issues: Issues,
): Iterable<bigint> {
  const shift = BigInt(offset);
  switch (kind) {
    case 'hlist':
      return yield* hlistNodes(kernel, start, issues);
    case 'llist':
      return yield* llistNodes(kernel, start, issues);
    case 'chain': {
      const first = head ? kernel.memory.pointer(start) : start;
      for (const object of chainNodes(kernel, first, issues, { offset, end: first })) yield object + shift;
      return;
    }
    default:
      if (!head) yield start + shift;
      yield* listNodes(kernel, head ? start : start + shift, issues, { reverse });
  }
}
