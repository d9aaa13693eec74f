// From an opened dump to its kernel: symbols, types and page tables, from the dump itself and from what the user gives.
import { type ByteSource, type Dump, InputError, Issues } from 'kdumpling/reader';
import { openSymbols, openTypes, type Symbols } from 'kdumpling/reader/debuginfo';
import type { Kernel } from './kernel.js';
import type { ModuleFiles } from './modules/debug-files.js';
import { withAllSymbols } from './symbols/index.js';
import { attachPageTables } from './vtop/kernel-map.js';

export interface KernelOptions {
  /** A vmlinux, or a System.map. */
  readonly vmlinux?: ByteSource;
  /** Finds the file with the debug information of a loaded module, by the module's name; null if there is none. */
  readonly modules?: (name: string) => ByteSource | null;
  /** Take a vmlinux or a module's file although it is of another build. */
  readonly force?: boolean;
}

/**
 * @throws InputError where the architecture is unknown, so that neither pointers nor addresses can be read, and for a vmlinux that cannot be read or is another
 * kernel's and not forced
 */
export async function openKernel(dump: Dump, options: KernelOptions = {}): Promise<Kernel> {
  const { arch } = dump;
  if (arch === null) {
    throw new InputError(
      { source: dump.name, nowhere: 'absent', record: 'attributes', field: 'arch.name' },
      'its architecture is not known, so neither pointers nor addresses can be read',
      'say it with --set arch.name=x86_64 (or another)',
    );
  }
  const issues = new Issues();
  issues.addAll(dump.issues);
  const opened = openSymbols(dump, options);
  issues.addAll(opened.issues);
  const { symbols } = opened;
  const { vmlinux, modules } = options;
  attachPageTables(dump, () => symbols);
  const files = modules === undefined ? null : await moduleFiles(modules, options.force ?? false);
  if (vmlinux === undefined) {
    const types = (all: Symbols) => openTypes(dump, symbols, { moduleSymbols: all, issues });
    return withAllSymbols({ dump, arch, symbols, issues }, types, files);
  }
  const dwarf = await dwarfOf(vmlinux);
  const typeOptions = { vmlinux, dwarf: (found: Issues) => dwarf.types(found), issues };
  const types = (all: Symbols) => openTypes(dump, symbols, { ...typeOptions, moduleSymbols: all });
  const source = (address: bigint) =>
    dwarf.open(issues)?.source.at(BigInt.asUintN(arch.bits, address - opened.shift)) ?? [];
  return withAllSymbols({ dump, arch, symbols, issues, source }, types, files);
}

/** Imported only where there is a file to open. */
async function dwarfOf(vmlinux: ByteSource) {
  const { LazyDwarf } = await import('kdumpling/reader/debuginfo/dwarf');
  return LazyDwarf.of(vmlinux);
}

/** What files of modules are opened with cannot be waited for when one is found. */
async function moduleFiles(find: (name: string) => ByteSource | null, force: boolean): Promise<ModuleFiles> {
  const { allDecompressors, Dwarf, DwarfTypes } = await import('kdumpling/reader/debuginfo/dwarf');
  const decompressors = await allDecompressors();
  return {
    find,
    force,
    open: (file, options) => {
      const dwarf = Dwarf.openWith(file, decompressors, options);
      return dwarf === null ? null : { source: address => dwarf.source.at(address), types: new DwarfTypes(dwarf) };
    },
  };
}
