// The loaded modules, as /proc/modules tells of them. Source: kernel/module/procfs.c, kernel/module/main.c, include/linux/module.h (6.1 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { taintsOf } from '../machine/taint.js';
import { type Get, type Struct, struct } from '../object/index.js';
import { type ModuleLayout, type ModuleMemory, moduleLayout } from './layout.js';

export interface Module {
  readonly name: string;
  /** struct module. */
  readonly object: bigint;
  /** Where its code begins, as /proc/modules prints; null if it has no memory. */
  readonly address: bigint | null;
  /** Bytes of all its memory. */
  readonly size: number;
  readonly memory: readonly ModuleMemory[];
  /** As /proc/modules has it; `Unformed` modules are not in there. */
  readonly state: 'Live' | 'Loading' | 'Unloading' | 'Unformed' | null;
  /** How many use it; null in kernels that never unload modules. */
  readonly references: number | null;
  /** Names of the modules that use it, as /proc/modules orders them. */
  readonly usedBy: readonly string[];
  /** It has no exit function, and so cannot be unloaded. */
  readonly permanent: boolean;
  /** Letters, as in /proc/modules; '' for none. */
  readonly taints: string;
  readonly version: string | null;
  readonly sourceVersion: string | null;
}

/** enum module_state. */
const STATES = ['Live', 'Loading', 'Unloading', 'Unformed'] as const;
/** MODULE_REF_BASE: the module itself. */
const REFERENCE_BASE = 1;
const MOST_VERSION = 256;
/** What /proc/modules prints the address of. */
const CODE = ['MOD_TEXT', 'core_layout'];
const NAME = /^[\w.-]{1,64}$/;

/** The structs on the list `modules`, the last loaded first. @throws Missing */
export function* moduleObjects(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const { module } = moduleLayout(kernel);
  yield* listEntries(kernel, kernel.address('modules'), module, 'list', issues, { name: 'modules' });
}

/** @throws Missing */
export function* modules(kernel: Kernel, issues: Issues): Iterable<Module> {
  const read = reader(kernel, issues);
  for (const object of moduleObjects(kernel, issues)) {
    try {
      yield read(object);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-module', `a struct module cannot be read: ${error.message}`, object);
    }
  }
}

function reader(kernel: Kernel, issues: Issues): (object: bigint) => Module {
  const layout = moduleLayout(kernel);
  const { module } = layout;
  const taints = module.word('taints');
  const references = module.has('refcnt') ? module.number('refcnt') : null;
  const users = usersOf(kernel, layout, issues);
  const optional = (member: string): Get<bigint> | null => (module.has(member) ? module.word(member) : null);
  const [init, exit] = [optional('init'), optional('exit')];
  const version = textOf(kernel, module, 'version');
  const sourceVersion = textOf(kernel, module, 'srcversion');
  return object => {
    const memory = layout.memory(object);
    const name = layout.name(object);
    if (!NAME.test(name)) issues.add('damaged-module', `a module's name is ${JSON.stringify(name)}`, object);
    return {
      name,
      object,
      address: memory.find(({ kind }) => CODE.includes(kind))?.address ?? null,
      size: memory.reduce((sum, { size }) => sum + size, 0),
      memory,
      state: STATES[layout.state(object)] ?? null,
      references: references === null ? null : references(object) - REFERENCE_BASE,
      usedBy: users(object),
      permanent: init !== null && exit !== null && init(object) !== 0n && exit(object) === 0n,
      taints: taintsOf(taints(object))
        .map(({ letter }) => letter)
        .join(''),
      version: version(object),
      sourceVersion: sourceVersion(object),
    };
  };
}

/** struct module_use ties a module (`target`) to one that uses it (`source`), by the target's source_list. */
function usersOf(kernel: Kernel, layout: ModuleLayout, issues: Issues): Get<readonly string[]> {
  const { module } = layout;
  if (!module.has('source_list')) return () => [];
  const use = struct(kernel, 'module_use');
  const source = use.word('source');
  const head = module.address('source_list');
  return object => {
    const names: string[] = [];
    for (const entry of listEntries(kernel, head(object), use, 'source_list', issues, { name: 'source_list' })) {
      names.push(layout.name(source(entry)));
    }
    return names;
  };
}

/** The text behind a char pointer; null where there is none. */
function textOf(kernel: Kernel, module: Struct, member: string): Get<string | null> {
  if (!module.has(member)) return () => null;
  const pointer = module.word(member);
  return object => {
    const address = pointer(object);
    return address === 0n ? null : kernel.memory.text(address, MOST_VERSION);
  };
}
