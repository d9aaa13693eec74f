// All inputs that hostile ones are made from.
import type { Base } from '../mutations.js';
import { elfBases } from './elf.js';
import { kdumpBases } from './kdump.js';
import { kernelBases } from './kernel.js';
import { minidumpBases } from './minidump.js';
import { otherBases } from './others.js';

export const allBases = (): Base[] => [
  ...elfBases(),
  ...kdumpBases(),
  ...kernelBases(),
  ...minidumpBases(),
  ...otherBases(),
];
