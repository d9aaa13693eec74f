// What a user's script is given.
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from './kernel.js';

export interface ScriptContext {
  readonly kernel: Kernel;
  /** What stood behind DUMP. */
  readonly args: readonly string[];
  /** Findings that are told at the end; with one the answer counts as partial. */
  readonly issues: Issues;
}

/** The default export of a script. What it returns is printed: text, lines of text, or any other value as JSON. */
export type Script = (context: ScriptContext) => unknown;
