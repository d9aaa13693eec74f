// Values of objects as lines for people: a member a line, nested ones indented, runs of equal elements told once.
import type { NamedValue, Value } from 'kdumpling/analysis/object';
import { hex } from 'kdumpling/reader';

/** From this on numbers are shown in hexadecimal too: they are flags, addresses or sizes. */
const LARGE = 65536n;
const STEP = '  ';
/** What stands in one line. */
const MOST_INLINE = 100;

export function* memberLines(members: readonly NamedValue[], indent: string): Iterable<string> {
  for (const { name, value } of members) yield* namedLines(name, value, indent);
}

export function* namedLines(name: string, value: Value, indent: string): Iterable<string> {
  if (value.kind === 'members') {
    yield `${indent}${name} = {${value.members.length === 0 ? '}' : ''}`;
    if (value.members.length === 0) return;
    yield* memberLines(value.members, indent + STEP);
    yield `${indent}}`;
  } else if (value.kind === 'list') yield* listLines(name, value.items, indent);
  else yield `${indent}${name} = ${scalarText(value)}`;
}

function* listLines(name: string, items: readonly Value[], indent: string): Iterable<string> {
  if (items.some(item => item.kind === 'members' || item.kind === 'list')) {
    for (const { value, first, count } of runs(items)) {
      const last = first + count - 1;
      yield* namedLines(count === 1 ? `${name}[${first}]` : `${name}[${first}…${last}]`, value, indent);
    }
    return;
  }
  let line = `${indent}${name} = [`;
  let separator = '';
  for (const { value, count } of runs(items)) {
    const text = count === 1 ? scalarText(value) : `${scalarText(value)} × ${count}`;
    if (line.length + text.length > MOST_INLINE) {
      yield `${line}${separator.trimEnd()}`;
      line = indent + STEP;
      separator = '';
    }
    line += `${separator}${text}`;
    separator = ', ';
  }
  yield `${line}]`;
}

interface Run {
  readonly value: Value;
  readonly first: number;
  readonly count: number;
}

/** Equal neighbours as one. */
function* runs(items: readonly Value[]): Iterable<Run> {
  let first = 0;
  let before = items.length === 0 ? '' : keyOf(items[0]);
  for (let i = 1; i <= items.length; i++) {
    const key = i < items.length ? keyOf(items[i]) : '';
    if (i < items.length && key === before) continue;
    yield { value: items[first], first, count: i - first };
    first = i;
    before = key;
  }
}

const keyOf = (value: Value): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item));

/** A value that takes one line; null for structs, and for lists of them. */
export function inlineText(value: Value): string | null {
  if (value.kind === 'members') return null;
  if (value.kind !== 'list') return scalarText(value);
  const [line, ...more] = [...listLines('', value.items, '')];
  return more.length === 0 && line?.startsWith(' = ') === true ? line.slice(' = '.length) : null;
}

/** What is neither a struct nor a list. */
export function scalarText(value: Value): string {
  switch (value.kind) {
    case 'number':
      return value.value >= LARGE ? `${value.value} (${hex(value.value)})` : `${value.value}`;
    case 'text':
      return JSON.stringify(value.value);
    case 'pointer':
      return value.value === 0n ? 'NULL' : `${hex(value.value)}${value.symbol === null ? '' : ` <${value.symbol}>`}`;
    case 'string':
      if (value.value === 0n) return 'NULL';
      return `${hex(value.value)}${value.text === null ? '' : ` ${JSON.stringify(value.text)}`}`;
    case 'null':
      return value.at === '' ? 'behind NULL' : `NULL at ${value.at}`;
    case 'enum':
      return value.name === null ? `${value.value}` : `${value.name} (${value.value})`;
    case 'none':
      return `?? (${value.why})`;
    case 'float':
    case 'bool':
      return `${value.value}`;
    default:
      return value.kind;
  }
}
