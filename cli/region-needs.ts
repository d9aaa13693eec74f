// What commands say of a region core that lacks memory for their answer: which regions to register, and how to find all of them.
import type { Kernel } from 'kdumpling/analysis';
import { Misses, type Needed, neededRegions } from 'kdumpling/analysis/advise';
import { hex, type Issues } from 'kdumpling/reader';
import { encodeRegion } from 'kdumpling/reader/formats/region-set';
import { ANALYSES } from './analyses.js';

/** Each of them is a line: what else is needed follows from these. */
const MOST_TOLD = 8;

/** Call `stop` when the answer is there. */
export const listen = (kernel: Kernel): Misses => new Misses(kernel.memory);

/** @param command its name, '' if it has none */
export function tellNeeded(kernel: Kernel, command: string, misses: Misses, issues: Issues): void {
  const found = issues.list();
  const lacks = (what: string) =>
    found.some(({ code, message }) => code === `missing-${what}` || message.includes(`the ${what} `));
  const symbols = lacks('symbol') && !/kallsyms|symtab|system-map/.test(kernel.symbols.source);
  const types = lacks('type') && kernel.types === null;
  const tables = issues.has('page-tables-unconfirmed') || issues.has('not-translated');
  const { needed, others, first } = neededRegions(kernel, { misses, symbols, types, tables });
  for (const one of needed.slice(0, MOST_TOLD)) issues.add('region-needed', sentence(one), one.address);
  if (needed.length > MOST_TOLD) issues.add('region-needed', `and ${needed.length - MOST_TOLD} more are in no region`);
  if (first !== null) {
    const places = others === 1 ? 'a place' : `${others} places`;
    const message = `no region holds ${places} without a name, the first ${hex(first.address ?? 0n)} (${first.size} bytes): objects are registered by type, as {"type":"task_struct"}`;
    issues.add('region-needed', message, first.address);
  }
  if (needed.length === 0 && first === null) return;
  const files = symbols || types ? ['a vmlinux (--vmlinux) has symbols and types too'] : [];
  issues.add('regions-to-register', [...files, ...howToFind(command)].join('; '));
}

function howToFind(command: string): string[] {
  const analysis = Object.hasOwn(ANALYSES, command) ? ANALYSES[command] : undefined;
  if (analysis === undefined) return [];
  const line = analysis.each === 'arguments' ? `"${command} …"` : command;
  return [
    `all that ${command} needs: kdumpling advise DUMP --for ${line} -o set.json, of a whole dump of this kernel, then kdumpling carve DUMP --regions meminspect-v3,set.json`,
  ];
}

function sentence({ what, address, size, request }: Needed): string {
  const bytes = size === null ? '' : `, ${size} bytes`;
  const at = address === null ? '' : ` at ${hex(address)}`;
  const register = request === null ? '' : `: register ${encodeRegion(request)}`;
  return `no region holds ${what}${bytes}${at}${register}`;
}
