// Global variables as objects: with the type that DWARF (or BTF, of per-CPU variables) gives them, else the one in the table of facts.
import { memberPlace, type Type } from 'kdumpling/reader/debuginfo';
import { GLOBALS, type GlobalFact, type GlobalType } from './global-facts.js';
import type { Kernel } from './kernel.js';
import { Missing } from './missing.js';
import { KernelObject, typeNamed } from './object/index.js';

const byName = new Map(GLOBALS.map(one => [one.name, one]));

/** A global variable as an object. @throws Missing */
export function global(kernel: Kernel, name: string): KernelObject {
  const address = kernel.address(name);
  return new KernelObject(kernel, globalType(kernel, name), address);
}

/** The type of a global variable. @throws Missing */
export function globalType(kernel: Kernel, name: string): Type {
  return kernel.types?.variable(name) ?? typeFromTable(kernel, name);
}

/** The type of a global variable as the table has it for this kernel. @throws Missing */
export function typeFromTable(kernel: Kernel, name: string): Type {
  const known = byName.get(name);
  if (known === undefined) {
    throw new Missing('type', `of the variable ${name}`, 'a vmlinux with DWARF tells it (--vmlinux), or a cast');
  }
  const { type } = typeOfFact(kernel, known);
  return typeNamed(kernel, type);
}

/** Which of a fact's types this kernel has: the last where none fits. */
export function typeOfFact(kernel: Kernel, { types }: GlobalFact): GlobalType {
  return types.slice(0, -1).find(one => fits(kernel, one)) ?? types[types.length - 1];
}

function fits(kernel: Kernel, { type, when }: GlobalType): boolean {
  try {
    typeNamed(kernel, type);
    if (when === null) return true;
    const [struct, ...path] = when.split('.');
    return memberPlace(typeNamed(kernel, struct), path.join('.')) !== null;
  } catch (error) {
    if (error instanceof Missing) return false;
    throw error;
  }
}
