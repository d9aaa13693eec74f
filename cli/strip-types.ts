// TypeScript to JavaScript, by leaving out the types: every line and column stays where it was. Enums, namespaces and parameter properties, which need code of their own, are refused.
import { createRequire } from 'node:module';

/** Of @swc/wasm-typescript, what is used. */
interface Swc {
  transformSync(source: string, options: { mode: 'strip-only'; filename: string }): { readonly code: string };
}

/** What it throws. */
interface SwcFault {
  readonly message: string;
  readonly startLine: number;
  readonly startColumn: number;
}

/** A script that cannot be read as TypeScript. */
export class ScriptSyntaxError extends SyntaxError {
  /** `FILE:LINE:COLUMN`, as in stack traces. */
  readonly place: string;

  constructor(place: string, message: string) {
    super(message);
    this.place = place;
  }
}

let swc: Swc | null = null;

/** @throws ScriptSyntaxError */
export function stripTypes(source: string, file: string): string {
  // Loaded when the first script needs it: it is larger than all of ours.
  swc ??= createRequire(import.meta.url)('@swc/wasm-typescript') as Swc;
  try {
    return swc.transformSync(source, { mode: 'strip-only', filename: file }).code;
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new ScriptSyntaxError(`${file}:${error.startLine}:${error.startColumn + 1}`, error.message);
  }
}

const isFault = (error: unknown): error is SwcFault =>
  typeof error === 'object' && error !== null && 'startLine' in error && 'message' in error;
