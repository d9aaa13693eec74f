// The DWARF of modules, out of the files that the user has: each is opened when an address in its module, or a type that nothing else knows, is asked for.
import { type ByteSource, InputError, type Issues, MemoryFault } from 'kdumpling/reader';
import {
  type ElfFile,
  elfBuildId,
  type FunctionType,
  LayeredTypes,
  type NamedKind,
  openElfFile,
  type Type,
  type TypeOf,
  type Types,
} from 'kdumpling/reader/debuginfo';
import type { SourceFrame } from 'kdumpling/reader/debuginfo/dwarf';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { loadedModule } from './loaded-sections.js';
import { type Module, modules } from './modules.js';

export interface ModuleFiles {
  /** By a module's name; null if there is no file. */
  find(name: string): ByteSource | null;
  /** Take files of another build. */
  readonly force: boolean;
  /** Null for a file without DWARF. Throws InputError. */
  open(
    file: ElfFile,
    options: { readonly issues: Issues; readonly addresses: ReadonlyMap<string, bigint> },
  ): ModuleDwarf | null;
}

export interface ModuleDwarf {
  /** At an address as loaded. */
  source(address: bigint): readonly SourceFrame[];
  readonly types: Types;
}

/** What is opened of a module's file. */
interface Opened {
  readonly module: Module;
  dwarf: ModuleDwarf | null | undefined;
}

export class ModuleDebug {
  /** Those that modules define. */
  readonly types: Types;
  readonly #kernel: Kernel;
  readonly #files: ModuleFiles;
  readonly #issues: Issues;
  #modules: readonly Opened[] | null = null;

  /** @param kernel whose types tell of struct module */
  constructor(kernel: Kernel, files: ModuleFiles, issues: Issues) {
    this.#kernel = kernel;
    this.#files = files;
    this.#issues = issues;
    this.types = new ModuleTypes(kernel.memory.pointerSize, () => this.#all());
  }

  /** The source at an address in a module; [] where none is known. */
  source(address: bigint): readonly SourceFrame[] {
    const has = ({ module }: Opened) =>
      module.memory.some(({ address: from, size }) => address >= from && address < from + BigInt(size));
    const opened = this.#list().find(has);
    return (opened === undefined ? null : this.#open(opened))?.source(address) ?? [];
  }

  #all(): Types[] {
    return this.#list().flatMap(one => this.#open(one)?.types ?? []);
  }

  #list(): readonly Opened[] {
    if (this.#modules === null) {
      // None while they are looked for: reading them asks for types.
      this.#modules = [];
      this.#modules = this.#orTell([], () =>
        [...modules(this.#kernel, this.#issues)].map(module => ({ module, dwarf: undefined })),
      );
    }
    return this.#modules;
  }

  #open(one: Opened): ModuleDwarf | null {
    if (one.dwarf === undefined) {
      one.dwarf = null;
      one.dwarf = this.#orTell(null, () => this.#openFile(one.module));
    }
    return one.dwarf;
  }

  #openFile({ name, object }: Module): ModuleDwarf | null {
    const source = this.#files.find(name);
    if (source === null) return null;
    const file = openElfFile(source);
    const { sections, buildId } = loadedModule(this.#kernel, object);
    const own = elfBuildId(file);
    if (buildId !== null && own !== null && buildId !== own) {
      const what = `${source.name} is not of the module ${name}: its build ID is ${own}, the module's ${buildId}`;
      this.#issues.add('module-file-differs', this.#files.force ? `${what}; used all the same` : `${what}: not used`);
      if (!this.#files.force) return null;
    }
    return this.#files.open(file, { issues: this.#issues, addresses: sections });
  }

  /** What cannot be read ends this module's file, and nothing else. */
  #orTell<T>(otherwise: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const known = error instanceof InputError || error instanceof MemoryFault || error instanceof Missing;
      if (!known) throw error;
      this.#issues.add('module-file-unreadable', error.message);
      return otherwise;
    }
  }
}

/** Asked last. Of variables modules tell nothing: each may have one of any name. */
class ModuleTypes implements Types {
  readonly source = 'dwarf';
  readonly pointerSize: 4 | 8;
  readonly #open: () => readonly Types[];
  #layers: LayeredTypes | null = null;

  constructor(pointerSize: 4 | 8, open: () => readonly Types[]) {
    this.pointerSize = pointerSize;
    this.#open = open;
  }

  get #types(): LayeredTypes {
    this.#layers ??= new LayeredTypes(this.#open());
    return this.#layers;
  }

  get count(): number {
    return this.#types.count;
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    return this.#types.find(kind, name);
  }

  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    return this.#types.all(kind, name);
  }

  variable(): Type | null {
    return null;
  }

  variables(): string[] {
    return [];
  }

  enumerator(name: string): bigint | null {
    return this.#types.enumerator(name);
  }

  function(name: string): FunctionType | null {
    return this.#types.function(name);
  }

  names(kind: NamedKind): Iterable<string> {
    return this.#types.names(kind);
  }
}
