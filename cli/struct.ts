// kdumpling struct: what a type is (struct, union, enum, typedef, base type), or an object's values.
import { Command } from 'commander';
import { type Kernel, Missing } from 'kdumpling/analysis';
import { type Layout, type LayoutMember, layout, MemberPath, plainValue } from 'kdumpling/analysis/object';
import { hex, type Issues, printable } from 'kdumpling/reader';
import { type CompoundType, declaration, memberPlace, sizeOfType } from 'kdumpling/reader/debuginfo';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';
import { memberPaths } from './member-paths.js';
import { type GivenPlace, type ObjectValue, objectsAt } from './struct-objects.js';
import { type GivenType, givenType, type PlainType } from './type-argument.js';
import { ValueNotes } from './value-notes.js';
import { memberLines, namedLines } from './value-text.js';

const MOST_COUNT = 65536;

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'What a struct, union, enum, typedef or base type is; with an address, the values of what lies there.',
      )
      .addArgument(dumpArgument())
      .argument('<name>', 'task_struct, "union NAME", u64, "struct page *"; with .MEMBER[,MEMBER…] only these')
      .argument(
        '[addr]',
        'where an object lies: 0x…, decimal, SYMBOL or SYMBOL+0x…; with :CPUS the copies of a per-CPU one',
      )
      .argument('[count]', 'how many objects lie one behind the other there', '1'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling struct vmcore list_head\n  kdumpling struct vmcore pid_t\n  kdumpling struct vmcore task_struct.comm,pid,se.vruntime init_task\n  kdumpling struct vmcore rq.nr_running,curr.comm runqueues:all',
    )
    .action((dump: string, name: string, addr: string | undefined, count: string, options: KernelOptions) =>
      struct(context, dump, name, addr === undefined ? null : { addr, count: countOf(count) }, options),
    );

function countOf(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count === 0 || count > MOST_COUNT) throw new UsageError(`COUNT is a number from 1 to ${MOST_COUNT}, not ${text}`);
  return count;
}

const EMPTY = {
  kind: null,
  name: null,
  size: null,
  signed: null,
  typedefs: null,
  types: null,
  members: null,
  enumerators: null,
  objects: null,
};

async function struct(
  context: CommandContext,
  dump: string,
  name: string,
  place: GivenPlace | null,
  options: KernelOptions,
): Promise<void> {
  const [, own, paths] = /^([^.]*)(?:\.(.*))?$/.exec(name) ?? [];
  const selected = paths === undefined ? null : memberPaths(paths);
  await answerFromKernel(context, [dump], options, EMPTY, (kernel, issues) => {
    const given = givenType(kernel, own ?? '');
    const { plain } = given;
    const compound = plain.kind === 'struct' || plain.kind === 'union' ? plain : null;
    if (compound === null && selected !== null) throw new UsageError(`${own} is no struct: it has no members`);
    const shape = compound === null ? null : selectedLayout(kernel, compound, selected, place === null, issues);
    const objects = place === null ? null : objectsAt(kernel, plain, selected, place, issues);
    return answer(kernel, given, shape, objects, issues);
  });
}

function answer(
  kernel: Kernel,
  given: GivenType,
  shape: Layout | null,
  objects: readonly ObjectValue[] | null,
  issues: Issues,
): KernelAnswer {
  const { plain, typedefs } = given;
  const whole = issues.count === 0;
  const notes = new ValueNotes();
  for (const { address, value } of objects ?? []) {
    if (value.kind === 'members') notes.takeAll(value.members, address);
    else notes.take(given.label, value, address);
  }
  const json = {
    ...EMPTY,
    kind: plain.kind,
    name: nameOf(plain),
    size: sizeOfType(plain),
    signed: plain.kind === 'int' || plain.kind === 'enum' ? plain.signed : null,
    typedefs,
    types: kernel.types?.source.split(',') ?? [],
    members: shape?.members ?? null,
    enumerators: plain.kind === 'enum' ? enumeratorsOf(plain.enumerators) : null,
    objects: objects?.map(({ address, cpu, value }) => ({ address, cpu, value: plainValue(value) })) ?? null,
  };
  return {
    json,
    text: () => (objects === null ? typeLines(given, shape) : objectLines(given, objects)),
    partial: !notes.tell(issues) || !whole,
  };
}

const nameOf = (type: PlainType): string => ('name' in type ? type.name : declaration(type, ''));

const enumeratorsOf = (enumerators: readonly { readonly name: string; readonly value: bigint }[]) =>
  enumerators.map(({ name, value }) => ({ name, value: plainValue({ kind: 'number', value }) }));

/**
 * The layout of what was selected; places count from the start of the whole.
 * @param tells whether members without a place are told: values tell them themselves
 */
function selectedLayout(
  kernel: Kernel,
  type: CompoundType,
  selected: readonly string[] | null,
  tells: boolean,
  issues: Issues,
): Layout {
  const whole = layout(type);
  if (selected === null) return whole;
  const members = selected.flatMap((path): LayoutMember[] => {
    const place = memberPlace(type, path);
    if (place === null) {
      if (tells) issues.add('missing-member', whyNoPlace(kernel, type, path));
      return [];
    }
    const { bitSize } = place;
    const member = { name: path, type: place.type, bitOffset: place.offset * 8 + place.bitOffset, bitSize };
    const wrapper: CompoundType = { kind: 'struct', name: '', size: type.size, complete: true, members: [member] };
    return [...layout(wrapper).members];
  });
  return { ...whole, members };
}

function whyNoPlace(kernel: Kernel, type: CompoundType, path: string): string {
  try {
    const { owner, place } = new MemberPath(kernel, type, path);
    const there = `${declaration(owner, '')}, at its byte ${place.offset}`;
    return `${type.name}.${path} has no place in ${type.kind} ${type.name}: it lies behind a pointer, in ${there}`;
  } catch (error) {
    if (error instanceof Missing) return error.message;
    throw error;
  }
}

const bytes = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);

function* typeLines({ plain, typedefs }: GivenType, shape: Layout | null): Iterable<string> {
  for (const { declaration: text } of typedefs) yield printable(`typedef ${text};`);
  if (shape !== null) yield* layoutLines(shape);
  else if (plain.kind === 'enum') {
    yield printable(`enum ${plain.name}${plain.name === '' ? '' : ' '}{`);
    for (const { name, value } of plain.enumerators) yield printable(`  ${name} = ${value},`);
    yield `}  ${bytes(plain.size)}`;
  } else {
    const size = plain.kind === 'void' || plain.kind === 'function' ? '' : `  ${bytes(sizeOfType(plain))}`;
    yield printable(`${declaration(plain, '')}${size}${plain.kind === 'int' ? `, ${signOf(plain)}` : ''}`);
  }
}

const signOf = ({ signed }: { readonly signed: boolean }): string => (signed ? 'signed' : 'unsigned');

function* layoutLines({ kind, name, size, members }: Layout): Iterable<string> {
  yield printable(`${kind}${name === '' ? '' : ` ${name}`} {`);
  yield '  offset    size';
  yield* placeLines(members, '  ');
  yield `}  ${bytes(size)}`;
}

function* placeLines(members: readonly LayoutMember[], indent: string): Iterable<string> {
  for (const { declaration: text, offset, size, bitOffset, type, members: inner } of members) {
    const at = `${offset}${bitOffset === null ? '' : `:${bitOffset}`}`.padStart(8);
    const columns = `${at}${String(size).padStart(8)}${indent}`;
    if (inner === null) {
      yield printable(`${columns}${text};`);
      continue;
    }
    yield printable(`${columns}${type.replace(/\s*\{…\}$/, '')} {`);
    yield* placeLines(inner, `${indent}  `);
    yield `${' '.repeat(16)}${indent}};`;
  }
}

function* objectLines({ label }: GivenType, objects: readonly ObjectValue[]): Iterable<string> {
  for (const { address, cpu, value } of objects) {
    const head = `${label} at ${hex(address)}${cpu === null ? '' : ` of CPU ${cpu}`}`;
    if (value.kind !== 'members') {
      for (const line of namedLines(head, value, '')) yield printable(line);
      continue;
    }
    yield printable(head);
    for (const line of memberLines(value.members, '  ')) yield printable(line);
  }
}
