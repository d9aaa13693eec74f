// Members on the command line: paths separated by commas, `comm,mm.owner.comm,fs[0].users`.
import { memberSteps } from 'kdumpling/reader/debuginfo';
import { UsageError } from './command.js';

/** @throws UsageError for a text that is no list of paths */
export function memberPaths(text: string): readonly string[] {
  const paths = text.split(',').map(path => path.trim());
  for (const path of paths) {
    const steps = memberSteps(path);
    if (steps === null || steps.length === 0)
      throw new UsageError(`${JSON.stringify(text)} is no list of members: one is written as mm.pgd or list[2].next`);
  }
  return paths;
}
