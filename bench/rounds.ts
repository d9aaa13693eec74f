// What is measured once in a process of its own, so that nothing is compiled yet: the script starts itself again for each round.
import { spawnSync } from 'node:child_process';

const ONCE = '--once';

/** True in the process of a round: what `once` gives of `args[1]` is printed for `rounds`. */
export async function ranOnce(args: readonly string[], once: (path: string) => unknown): Promise<boolean> {
  if (args[0] !== ONCE) return false;
  console.log(JSON.stringify(await once(args[1])));
  return true;
}

/** @param script the path of the script itself */
export function rounds<T>(script: string, path: string, count: number): T[] {
  return Array.from({ length: count }, () => {
    const { stdout, stderr } = spawnSync(process.execPath, [script, ONCE, path], { encoding: 'utf8' });
    if (stdout === '') throw new Error(`${path}: ${stderr}`);
    return JSON.parse(stdout) as T;
  });
}
