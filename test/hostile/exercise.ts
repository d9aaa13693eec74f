// Does with an input what the commands do with it.
import { exerciseBtf } from './exercise-btf.js';
import { exerciseDump } from './exercise-dump.js';
import { exerciseDwarf } from './exercise-dwarf.js';
import { exerciseCodec, exerciseKinfo, exerciseRegionSet, exerciseSymbols } from './exercise-parts.js';
import type { Hostile, InputKind } from './mutations.js';

/** What is wrong with what came of it; refusals are thrown. */
type Exercise = (input: Hostile) => string[] | Promise<string[]>;

const EXERCISES: Record<InputKind, Exercise> = {
  dump: exerciseDump,
  folder: exerciseDump,
  raw: exerciseDump,
  vmcoreinfo: exerciseDump,
  symbols: exerciseSymbols,
  kinfo: exerciseKinfo,
  codec: exerciseCodec,
  btf: exerciseBtf,
  dwarf: exerciseDwarf,
  'region-set': exerciseRegionSet,
};

export const exercise = async (input: Hostile): Promise<string[]> => EXERCISES[input.base.kind](input);
