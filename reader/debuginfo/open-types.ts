// All types that are to be had for a dump: from a vmlinux of the user's, from a bare file of BTF, from BTF in the dump; in that order.
import { isElf } from '../formats/elf.js';
import type { Issues } from '../issue.js';
import type { ByteSource } from '../source.js';
import { btfOfElf, btfOfFile } from './btf/file.js';
import { btfOfDump } from './btf/find.js';
import { openElfFile } from './elf-file.js';
import { LayeredTypes } from './layered-types.js';
import type { SymbolSpace } from './open-symbols.js';
import type { Symbols } from './symbols.js';
import type { Types } from './types.js';

export interface TypeOptions {
  /** A vmlinux; that it is of the dump's kernel is checked where its symbols are opened. */
  readonly vmlinux?: ByteSource;
  /** A bare file of BTF, for instance a copy of /sys/kernel/btf/vmlinux. */
  readonly btf?: ByteSource;
  readonly issues: Issues;
}

/** Null, with an issue, if there are no types. Throws InputError for a file that cannot be read as what it was said to be. */
export function openTypes(space: SymbolSpace, symbols: Symbols, options: TypeOptions): Types | null {
  const layers = [...fileTypes(options)];
  // A dump's BTF is what its vmlinux has: a second copy would add nothing.
  if (!layers.some(layer => layer.source === 'btf')) {
    const types = btfOfDump(space, symbols, options.issues);
    if (types !== null) layers.push(types);
  }
  return layers.length === 0 ? null : layers.length === 1 ? layers[0] : new LayeredTypes(layers);
}

function* fileTypes({ vmlinux, btf, issues }: TypeOptions): Iterable<Types> {
  if (vmlinux !== undefined) {
    const magic = new Uint8Array(4);
    vmlinux.read(0, magic);
    const types = isElf(magic) ? btfOfElf(openElfFile(vmlinux), issues) : null;
    if (types !== null) yield types;
  }
  if (btf !== undefined) yield btfOfFile(btf, issues);
}
