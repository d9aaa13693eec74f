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
    if (!rows.some(row => row.cpu === cpu)) issues.add('no-such-cpu', `this kernel has no CPU ${cpu}`);
  }
  return rows.filter(({ cpu }) => cpu !== null && wanted.includes(cpu));
}
