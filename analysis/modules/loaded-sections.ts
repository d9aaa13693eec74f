// Where the sections of a module were loaded, and its build ID: what sysfs tells below /sys/module/NAME/sections and notes. Source: kernel/module/sysfs.c (2.6.13 to 7.3); addresses are in the
// attributes' `private` since 6.14 (commit 4b2c11e4aaf7), in struct module_sect_attr before.
import { gnuBuildId } from 'kdumpling/reader/formats/notes';
import type { Kernel } from '../kernel.js';
import { type Struct, struct } from '../object/index.js';
import { moduleLayout } from './layout.js';

/** Modules built with a section for each function have some thousands. */
const MOST_SECTIONS = 1 << 14;
const MOST_NAME = 256;
const MOST_NOTES = 1 << 12;

export interface LoadedModule {
  /** By the section's name. */
  readonly sections: ReadonlyMap<string, bigint>;
  /** Lower-case hexadecimal; null if the kernel does not keep it. */
  readonly buildId: string | null;
}

interface Attribute {
  readonly name: string;
  /** struct bin_attribute. */
  readonly object: bigint;
}

/** @throws Missing, MemoryFault */
export function loadedModule(kernel: Kernel, object: bigint): LoadedModule {
  const { module } = moduleLayout(kernel);
  const binary = struct(kernel, 'bin_attribute');
  const data = binary.word('private');
  const sections = new Map<string, bigint>();
  const attributes = struct(kernel, 'module_sect_attrs');
  const element = attributes.inner('attrs');
  const address = element.has('address') ? element.word('address') : data;
  for (const one of listed(kernel, attributes, module.word('sect_attrs')(object), binary)) {
    sections.set(one.name, address(one.object));
  }
  const notes = struct(kernel, 'module_notes_attrs');
  let buildId: string | null = null;
  const size = binary.number('size');
  for (const one of listed(kernel, notes, module.word('notes_attrs')(object), binary)) {
    const length = size(one.object);
    if (length <= MOST_NOTES) buildId ??= buildIdIn(kernel, data(one.object), length);
  }
  return { sections, buildId };
}

/** The attributes of a struct that ends in an array of them: counted, or listed in a group up to a NULL. */
function* listed(kernel: Kernel, owner: Struct, object: bigint, binary: Struct): Generator<Attribute> {
  if (object === 0n) return;
  const name = binary.word('attr.name');
  const attribute = (at: bigint): Attribute => ({ name: kernel.memory.text(name(at), MOST_NAME), object: at });
  const counted = ['nsections', 'notes'].find(member => owner.has(member));
  if (counted !== undefined) {
    const count = Math.min(owner.number(counted)(object), MOST_SECTIONS);
    const first = owner.address('attrs')(object);
    const { size } = owner.inner('attrs');
    for (let i = 0; i < count; i++) yield attribute(first + BigInt(i * size));
    return;
  }
  let at = owner.word('grp.bin_attrs')(object);
  for (let i = 0; i < MOST_SECTIONS; i++, at += BigInt(kernel.memory.pointerSize)) {
    const one = kernel.memory.pointer(at);
    if (one === 0n) return;
    yield attribute(one);
  }
}

function buildIdIn(kernel: Kernel, address: bigint, length: number): string | null {
  const bytes = new Uint8Array(length);
  kernel.memory.read(address, bytes);
  return gnuBuildId(bytes, kernel.memory.littleEndian);
}
