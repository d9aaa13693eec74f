// CPUs on the command line: their numbers, and the rows that they choose.
import type { Issues } from 'kdumpling/reader';
import { UsageError } from './command.js';

/** @throws UsageError */
export function cpuNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new UsageError(`${text} is no number of a CPU`);
  return Number(text);
}

/** @param wanted none for all */
export function chosenCpus<T extends { readonly cpu: number | null }>(
  rows: readonly T[],
  wanted: readonly number[],
  issues: Issues,
): readonly T[] {
  if (wanted.length === 0) return rows;
  for (const cpu of wanted) {
    if (!rows.some(row => row.cpu === cpu)) tellNoCpu(String(cpu), issues);
  }
  return rows.filter(({ cpu }) => cpu !== null && wanted.includes(cpu));
}

/** Of a number or a range that is none of the dump's: the rest is answered. */
export function tellNoCpu(cpus: string, issues: Issues): void {
  issues.add('no-such-cpu', `this kernel has no CPU ${cpus}`);
}
