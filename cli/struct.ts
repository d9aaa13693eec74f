// kdumpling struct: the layout of a struct, union or enum, or an object's values.
import { Command } from 'commander';
import { type Kernel, Missing } from 'kdumpling/analysis';
import {
  type Layout,
  type LayoutMember,
  layout,
  type NamedValue,
  plainValue,
  typeNamed,
  type Value,
} from 'kdumpling/analysis/object';
import { hex, type Issues, printable } from 'kdumpling/reader';
import { type CompoundType, type EnumType, memberPlace, type NamedKind, plainType } from 'kdumpling/reader/debuginfo';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';
import { type ObjectValue, objectsAt } from './struct-objects.js';
import { memberLines } from './value-text.js';

const MOST_COUNT = 65536;
const MOST_SUGGESTED = 5;

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('The layout of a struct, union, enum or typedef; with an address, the values of what lies there.')
      .addArgument(dumpArgument())
      .argument('<name>', 'task_struct, "union NAME", a typedef; with .MEMBER[,MEMBER…] only these')
      .argument(
        '[addr]',
        'where an object lies: 0x…, decimal, SYMBOL or SYMBOL+0x…; with :CPUS the copies of a per-CPU one',
      )
      .argument('[count]', 'how many objects lie one behind the other there', '1'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling struct vmcore list_head\n  kdumpling struct vmcore task_struct.comm,pid,se.vruntime init_task\n  kdumpling struct vmcore rq.nr_running,curr runqueues:all',
    )
    .action((dump: string, name: string, addr: string | undefined, count: string, options: KernelOptions) =>
      struct(context, dump, name, { addr: addr ?? null, count: countOf(count) }, options),
    );

function countOf(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count === 0 || count > MOST_COUNT) throw new UsageError(`COUNT is a number from 1 to ${MOST_COUNT}, not ${text}`);
  return count;
}

interface Place {
  readonly addr: string | null;
  readonly count: number;
}

const EMPTY = {
  kind: null,
  name: null,
  size: null,
  types: null,
  members: null,
  enumerators: null,
  objects: null,
};

function struct(
  context: CommandContext,
  dump: string,
  name: string,
  place: Place,
  options: KernelOptions,
): Promise<void> {
  return answerFromKernel(context, [dump], options, EMPTY, (kernel, issues) => {
    const [, own, paths] = /^([^.]*)(?:\.(.*))?$/.exec(name) ?? [];
    const type = typeOf(kernel, own);
    const selected = paths === undefined ? null : paths.split(',').filter(path => path !== '');
    if (type.kind === 'enum') return enumAnswer(kernel, type, place);
    return compoundAnswer(kernel, type, selected, place, issues);
  });
}

/** @throws Missing with names like it */
function typeOf(kernel: Kernel, name: string): CompoundType | EnumType {
  // Tags first: that is what the command is for.
  for (const text of /\s/.test(name.trim()) ? [name] : [`struct ${name}`, `union ${name}`, `enum ${name}`, name]) {
    try {
      const type = plainType(typeNamed(kernel, text));
      if (type.kind === 'struct' || type.kind === 'union' || type.kind === 'enum') return type;
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
    }
  }
  if (kernel.types === null) {
    throw new Missing('type', name, 'this dump carries no types: give the vmlinux with --vmlinux');
  }
  const like = suggestions(kernel, name);
  throw new Missing('type', name, like.length === 0 ? '' : `there is ${like.join(', ')}`);
}

function suggestions(kernel: Kernel, name: string): string[] {
  const word = (name.split(/\s+/).at(-1) ?? '').toLowerCase();
  const found: string[] = [];
  if (word === '') return found;
  for (const kind of ['struct', 'union', 'enum', 'typedef'] satisfies NamedKind[]) {
    for (const one of kernel.types?.names(kind) ?? []) {
      if (!one.toLowerCase().includes(word)) continue;
      found.push(kind === 'typedef' ? one : `${kind} ${one}`);
      if (found.length === MOST_SUGGESTED) return found;
    }
  }
  return found;
}

function enumAnswer(kernel: Kernel, type: EnumType, { addr }: Place): KernelAnswer {
  if (addr !== null) throw new UsageError('an enum has no members: take the struct that it is in');
  const enumerators = type.enumerators.map(({ name, value }) => ({
    name,
    value: plainValue({ kind: 'number', value }),
  }));
  const json = { ...EMPTY, kind: type.kind, name: type.name, size: type.size, types: sources(kernel), enumerators };
  return {
    json,
    *text() {
      yield `enum ${type.name} {`;
      for (const { name, value } of type.enumerators) yield printable(`  ${name} = ${value},`);
      yield `}  ${bytes(type.size)}`;
    },
    partial: false,
  };
}

function compoundAnswer(
  kernel: Kernel,
  type: CompoundType,
  selected: readonly string[] | null,
  { addr, count }: Place,
  issues: Issues,
): KernelAnswer {
  const shape = only(layout(type), type, selected);
  const lost = addr === null ? (selected ?? []).filter(path => memberPlace(type, path) === null) : [];
  for (const path of lost) issues.add('missing-member', new Missing('member', `${type.name}.${path}`).message);
  const objects = addr === null ? null : objectsAt(kernel, type, selected, addr, count);
  const unread = objects?.filter(({ members }) => !tellMissing(members, issues)) ?? [];
  const partial = lost.length + unread.length > 0;
  const told = (objects ?? []).map(({ address, cpu, members }) => ({
    address,
    cpu,
    value: plainValue({ kind: 'members', members }),
  }));
  const json = { ...EMPTY, ...shape, types: sources(kernel), objects: objects === null ? null : told };
  return { json, text: () => (objects === null ? layoutLines(shape) : objectLines(type, objects)), partial };
}

const sources = (kernel: Kernel): string[] => kernel.types?.source.split(',') ?? [];

/** The layout of what was selected; places count from the start of the whole. */
function only(whole: Layout, type: CompoundType, selected: readonly string[] | null): Layout {
  if (selected === null) return whole;
  const members = selected.flatMap((path): LayoutMember[] => {
    const place = memberPlace(type, path);
    if (place === null) return [];
    const wrapper: CompoundType = {
      kind: 'struct',
      name: '',
      size: type.size,
      complete: true,
      members: [
        { name: path, type: place.type, bitOffset: place.offset * 8 + place.bitOffset, bitSize: place.bitSize },
      ],
    };
    return [...layout(wrapper).members];
  });
  return { ...whole, members };
}

/** Tells each value that cannot be had; true if there is none. */
function tellMissing(members: readonly NamedValue[], issues: Issues, path = ''): boolean {
  let whole = true;
  for (const { name, value } of members) whole = tellOne(`${path}${name}`, value, issues) && whole;
  return whole;
}

function tellOne(path: string, value: Value, issues: Issues): boolean {
  if (value.kind === 'members') return tellMissing(value.members, issues, `${path}.`);
  if (value.kind === 'list') return value.items.map((item, i) => tellOne(`${path}[${i}]`, item, issues)).every(Boolean);
  if (value.kind !== 'none') return true;
  issues.add('no-value', `${path}: ${value.why}`);
  return false;
}

const bytes = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);

function* layoutLines({ kind, name, size, members }: Layout): Iterable<string> {
  yield printable(`${kind}${name === '' ? '' : ` ${name}`} {`);
  yield '  offset    size';
  yield* placeLines(members, '  ');
  yield `}  ${bytes(size)}`;
}

function* placeLines(members: readonly LayoutMember[], indent: string): Iterable<string> {
  for (const { declaration, offset, size, bitOffset, type, members: inner } of members) {
    const at = `${offset}${bitOffset === null ? '' : `:${bitOffset}`}`.padStart(8);
    const columns = `${at}${String(size).padStart(8)}${indent}`;
    if (inner === null) {
      yield printable(`${columns}${declaration};`);
      continue;
    }
    yield printable(`${columns}${type.replace(/\s*\{…\}$/, '')} {`);
    yield* placeLines(inner, `${indent}  `);
    yield `${' '.repeat(16)}${indent}};`;
  }
}

function* objectLines(type: CompoundType, objects: readonly ObjectValue[]): Iterable<string> {
  for (const { address, cpu, members } of objects) {
    yield printable(`${type.kind} ${type.name} at ${hex(address)}${cpu === null ? '' : ` of CPU ${cpu}`}`);
    for (const line of memberLines(members, '  ')) yield printable(line);
  }
}
