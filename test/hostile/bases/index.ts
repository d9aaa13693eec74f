// All inputs that hostile ones are made from.
import type { Base } from '../mutations.js';
import { btfBases, manyBtfBases } from './btf.js';
import { dwarfBases } from './dwarf.js';
import { elfBases } from './elf.js';
import { kdumpBases } from './kdump.js';
import { kernelBases } from './kernel.js';
import { manyBases } from './many.js';
import { manyDwarfBases } from './many-dwarf.js';
import { minidumpBases } from './minidump.js';
import { otherBases } from './others.js';

/** Each is made when it is asked for. */
export function allBases(): (() => Base)[] {
  const small = [
    ...btfBases(),
    ...dwarfBases(),
    ...elfBases(),
    ...kdumpBases(),
    ...kernelBases(),
    ...minidumpBases(),
    ...otherBases(),
  ];
  return [...small.map(base => () => base), ...manyBases(), ...manyBtfBases(), ...manyDwarfBases()];
}
