// Asks BTF, and a module's on top of it, for everything that it has.
import { type Dump, Issues } from 'kdumpling/reader';
import {
  type BtfTypes,
  btfOfFile,
  declaration,
  KernelBtf,
  memberPlace,
  type NamedKind,
  openTypes,
  type Symbols,
  sizeOfType,
  type Type,
} from 'kdumpling/reader/debuginfo';
import { sourceOf } from './exercise-parts.js';
import { wrongIssue, wrongValues } from './judge.js';
import type { Hostile } from './mutations.js';

const KINDS: readonly NamedKind[] = ['struct', 'union', 'enum', 'typedef', 'base'];
const NAMES = ['node', 'mine', 'colour', 'RED', 'print', 'counter', '.data..percpu', 'no_such_name', ''];
const PATHS = ['next', 'high', 'tail[3]', 'name[1]', 'no_such_member', 'base.high'];
/** Of a few thousand types as many are looked at. */
const MOST_TYPES = 2000;
const MOST_MODULES = 100;
/** Types of what a split part stands on, and of the gap between. */
const FEW_BEFORE = 50;

export function exerciseBtf({ files: [kernel, module] }: Hostile): string[] {
  const issues = new Issues();
  const base = btfOfFile(sourceOf(kernel), issues);
  const wrong = askAll(base);
  if (module !== undefined) wrong.push(...askAll(btfOfFile(sourceOf(module), issues, base)));
  for (const issue of issues) {
    const told = wrongIssue(issue);
    if (told !== null) wrong.push(told);
  }
  return wrong;
}

/** The types of a dump: the kernel's and those of its modules. */
export function askTypesOf(dump: Dump, symbols: Symbols, issues: Issues): string[] {
  const types = openTypes(dump, symbols, { issues });
  if (!(types instanceof KernelBtf)) return [];
  const parts = types.modules.map(module => module.types()).filter(part => part !== null);
  types.find('struct', 'no_such_name');
  return [types.base, ...parts.slice(0, MOST_MODULES)].flatMap(askAll);
}

function askAll(types: BtfTypes): string[] {
  const wrong: string[] = [];
  const { startId, endId } = types.records;
  const last = Math.min(endId, startId + MOST_TYPES);
  for (let id = Math.max(0, startId - FEW_BEFORE); id <= last; id++) {
    const type = types.type(id);
    if (types.type(id) !== type) wrong.push(`type ${id} is two objects`);
    wrong.push(...askOne(type));
  }
  for (const name of NAMES) {
    for (const kind of KINDS) for (const type of types.all(kind, name)) wrong.push(...askOne(type));
    wrong.push(...askOne(types.variable(name)), ...askOne(types.function(name)));
    types.enumerator(name);
    types.declarationTags('function', name);
  }
  for (const kind of KINDS) for (const name of types.names(kind)) if (name === '') wrong.push('a name is empty');
  for (const section of types.dataSections()) wrong.push(...wrongValues('section', { ...section, variables: [] }));
  return wrong;
}

export function askOne(type: Type | null): string[] {
  if (type === null) return [];
  declaration(type, 'x');
  const size = sizeOfType(type);
  const wrong = size >= 0 ? [] : [`a size is ${size}`];
  if (type.kind === 'struct' || type.kind === 'union') {
    for (const path of PATHS) memberPlace(type, path);
    for (const { bitOffset, bitSize, type: own } of type.members.slice(0, 64)) {
      wrong.push(...wrongValues('member', { bitOffset, bitSize }), ...wrongValues('size', sizeOfType(own) >= 0));
    }
  }
  if (type.kind === 'enum') wrong.push(...wrongValues('enumerators', type.enumerators.length));
  if (type.kind === 'function') wrong.push(...wrongValues('parameters', type.parameters.length));
  return wrong;
}
