// struct module in its generations. Source: include/linux/module.h: mem[] since 6.4 (commit ac3b43283923), core_layout since 4.5 (commit 7523e4dc5057), module_core before; kallsyms since 4.5 (commit
// 8244062ef1e5), symtab in struct module itself before.
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, type Struct, struct } from '../object/index.js';

/** A stretch of memory that a module has. */
export interface ModuleMemory {
  /** The kernel's name: `MOD_TEXT` and its like, before 6.4 `core_layout`, `data_layout`, `init_layout`. */
  readonly kind: string;
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
}

/** mod_mem_type, where the types do not name the enumerators. */
const KINDS = [
  'MOD_TEXT',
  'MOD_DATA',
  'MOD_RODATA',
  'MOD_RO_AFTER_INIT',
  'MOD_INIT_TEXT',
  'MOD_INIT_DATA',
  'MOD_INIT_RODATA',
];
const LAYOUTS = ['core_layout', 'data_layout', 'init_layout'];
const OLD_LAYOUTS: readonly (readonly [kind: string, base: string, size: string])[] = [
  ['core_layout', 'module_core', 'core_size'],
  ['init_layout', 'module_init', 'init_size'],
];

export interface ModuleLayout {
  readonly module: Struct;
  readonly name: Get<string>;
  readonly state: Get<number>;
  /** All that the module has and that is not empty; the first is where its code begins. */
  readonly memory: Get<readonly ModuleMemory[]>;
  /** Where the templates of its per-CPU variables are; null if it has none. */
  readonly perCpu: Get<ModuleMemory | null>;
}

/** @throws Missing */
export const moduleLayout = (kernel: Kernel): ModuleLayout => kernel.once(makeLayout);

function makeLayout(kernel: Kernel): ModuleLayout {
  const module = struct(kernel, 'module');
  const parts = partsOf(kernel, module);
  return {
    module,
    name: module.text('name'),
    state: module.number('state'),
    memory: object =>
      parts
        .map(({ kind, address, size }) => ({ kind, address: address(object), size: size(object) }))
        .filter(({ address, size }) => address !== 0n && size > 0),
    perCpu: perCpuOf(module),
  };
}

function perCpuOf(module: Struct): Get<ModuleMemory | null> {
  if (!module.has('percpu_size')) return () => null;
  const start = module.word('percpu');
  const length = module.number('percpu_size');
  return object => {
    const [address, size] = [start(object), length(object)];
    return address === 0n || size === 0 ? null : { kind: 'percpu', address, size };
  };
}

interface Part {
  readonly kind: string;
  readonly address: Get<bigint>;
  readonly size: Get<number>;
}

function partsOf(kernel: Kernel, module: Struct): Part[] {
  if (module.has('mem')) {
    const memory = module.inner('mem');
    const count = module.sizeOf('mem') / memory.size;
    const names = new Map(KINDS.map(kind => [kernel.types?.enumerator(kind), kind]));
    return Array.from({ length: count }, (_, i) => ({
      kind: names.get(BigInt(i)) ?? KINDS[i] ?? `mem[${i}]`,
      address: module.word(`mem[${i}].base`),
      size: module.number(`mem[${i}].size`),
    }));
  }
  const parts = LAYOUTS.filter(kind => module.has(kind)).map(kind => ({
    kind,
    address: module.word(`${kind}.base`),
    size: module.number(`${kind}.size`),
  }));
  if (parts.length > 0) return parts;
  if (!module.has('module_core')) throw new Missing('member', 'module.mem or core_layout or module_core');
  return OLD_LAYOUTS.map(([kind, base, size]) => ({ kind, address: module.word(base), size: module.number(size) }));
}
