// Asks DWARF for types by name and by kind, for variables, functions and enumerators, and at addresses for lines, inlined calls and frames.
import { Issues } from 'kdumpling/reader';
import { type NamedKind, openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { askOne } from './exercise-btf.js';
import { sourceOf } from './exercise-parts.js';
import { wrongIssue, wrongValues } from './judge.js';
import type { Hostile } from './mutations.js';

const KINDS: readonly NamedKind[] = ['struct', 'union', 'enum', 'typedef', 'base'];
/** Of the sample and of the inputs that are made, and one that no file has. */
const NAMES = ['list_head', 'shared', 'elsewhere', 'nowhere', 'everything', 'handler_t', 'u32', 'no_such_name'];
const OBJECTS = ['compute', 'variadic', 'outer', '_start', 'global', 'no_such_name'];
const MOST_NAMES = 64;
const SHF_EXECINSTR = 4;
/** Where .text of a relocatable file is taken to be, and how far addresses lie apart that are asked for. */
const TEXT = 0xffff_ffff_a000_0000n;
const STRIDE = 9;
const MOST_ADDRESSES = 24;

export async function exerciseDwarf({ files: [file] }: Hostile): Promise<string[]> {
  const issues = new Issues();
  const elf = openElfFile(sourceOf(file));
  const dwarf = await Dwarf.open(elf, { issues, addresses: new Map([['.text', TEXT]]) });
  if (dwarf === null) return [];
  const types = new DwarfTypes(dwarf);
  const wrong: string[] = [];
  for (const kind of KINDS) {
    for (const name of NAMES) {
      wrong.push(...askOne(types.find(kind, name)));
      for (const type of types.all(kind, name).slice(0, 4)) wrong.push(...askOne(type));
    }
    let left = MOST_NAMES;
    for (const name of types.names(kind)) {
      if (left-- === 0) break;
      wrong.push(...askOne(types.find(kind, name)));
    }
  }
  for (const name of OBJECTS) {
    wrong.push(...askOne(types.variable(name)), ...askOne(types.function(name)));
    types.enumerator(name);
  }
  const code = elf.sections.find(({ flags, size }) => (flags & SHF_EXECINSTR) !== 0 && size > 0);
  const begin = code === undefined || code.addr === 0n ? TEXT : code.addr;
  for (let i = 0; i < MOST_ADDRESSES; i++) {
    const address = begin + BigInt(i * STRIDE);
    for (const frame of dwarf.source.at(address)) wrong.push(...wrongValues('frame', { ...frame }));
    const rules = dwarf.frames.at(address);
    if (rules?.row.cfa?.kind === 'register') wrong.push(...wrongValues('cfa', { ...rules.row.cfa }));
  }
  for (const issue of issues) {
    const told = wrongIssue(issue);
    if (told !== null) wrong.push(told);
  }
  return wrong;
}
