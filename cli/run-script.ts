// A user's script: imported as a module, and its default export called with the kernel. Not part of the bundle: what a script imports must be what it is given.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Script } from 'kdumpling/analysis';
import { AnswerError, InputError, type Issue } from 'kdumpling/reader';
import { type CommandContext, EXIT, UsageError } from './command.js';
import { answerFromKernel, type KernelOptions } from './kernel-command.js';
import * as hooks from './script-hooks.js';

export interface ScriptRequest {
  readonly script: string;
  readonly dump: string;
  readonly args: readonly string[];
  readonly options: KernelOptions;
  readonly context: Pick<CommandContext, 'terminal' | 'progress'>;
}

/** How it ended. */
export interface ScriptEnd {
  readonly status: number;
  /** What went wrong, for people; null where nothing did. */
  readonly message: string | null;
  /** What the default export returned; undefined where there is none. */
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

/** Frames of a script may lie far below those of ours. */
const FRAMES = 100;
const INSTALLATION = dirname(dirname(import.meta.dirname)) + sep;

export async function runScript(request: ScriptRequest): Promise<ScriptEnd> {
  const { script, dump, args } = request;
  const path = resolve(script);
  const ended = (status: number, message: string): ScriptEnd => ({ status, message, value: undefined, issues: [] });
  if (!existsSync(path)) return ended(EXIT.usage, `${script}: there is no such script`);
  installHooks();
  Error.stackTraceLimit = FRAMES;
  AnswerError.traced = true;
  process.argv = [process.argv[0], path, dump, ...args];
  const onUncaught = (error: unknown): void => {
    request.context.terminal.err(`kdumpling: ${failureText(error, path)}\n`);
    process.exit(EXIT.partial);
  };
  process.on('uncaughtException', onUncaught);
  try {
    const { default: main } = (await import(pathToFileURL(path).href)) as { default?: unknown };
    if (main === undefined) return { ...ended(EXIT.answered, ''), message: null };
    if (typeof main !== 'function') return ended(EXIT.unreadable, `${script}: its default export is no function`);
    return await callScript(main as Script, path, request);
  } catch (error) {
    if (error instanceof UsageError) return ended(EXIT.usage, error.message);
    if (error instanceof SyntaxError) return ended(EXIT.unreadable, failureText(error, path));
    return ended(EXIT.partial, failureText(error, path));
  } finally {
    process.off('uncaughtException', onUncaught);
  }
}

async function callScript(
  main: Script,
  path: string,
  { dump, args, options, context }: ScriptRequest,
): Promise<ScriptEnd> {
  let value: unknown;
  let failure: string | null = null;
  let issues: readonly Issue[] = [];
  let partial = false;
  const answer: CommandContext['answer'] = found => {
    issues = found.issues;
    partial = found.partial;
  };
  try {
    await answerFromKernel({ ...context, command: 'run', answer }, [dump], options, {}, async (kernel, found) => {
      try {
        value = await main({ kernel, args, issues: found });
      } catch (error) {
        failure = failureText(error, path);
      }
      return { json: {}, text: () => [], partial: failure !== null || found.count > 0 };
    });
  } catch (error) {
    // The dump, not the script.
    if (error instanceof InputError)
      return { status: EXIT.unreadable, message: error.message, value: undefined, issues: [] };
    throw error;
  }
  return { status: partial ? EXIT.partial : EXIT.answered, message: failure, value, issues };
}

let installed = false;

function installHooks(): void {
  if (installed) return;
  installed = true;
  const { registerHooks } = module as typeof module & { readonly registerHooks?: (all: typeof hooks) => unknown };
  if (registerHooks === undefined) module.register('./script-hooks.js', import.meta.url);
  else registerHooks(hooks);
}

/** `FILE:LINE:COLUMN: what`: where the script was when it happened, as people named the file. */
function failureText(error: unknown, script: string): string {
  if (!(error instanceof Error)) return `${named(script)}: it threw ${String(error)}`;
  const place = 'place' in error && typeof error.place === 'string' ? error.place : placeOf(error, script);
  const isPlain = error.name === 'Error' || error instanceof AnswerError;
  return `${place === null ? named(script) : named(place)}: ${isPlain ? '' : `${error.name}: `}${error.message}`;
}

/** The innermost place that is the user's. */
function placeOf({ stack = '' }: Error, script: string): string | null {
  for (const [, url] of stack.matchAll(/(?:\(|at |^)((?:async )?file:\/\/[^\s)]+:\d+(?::\d+)?)\)?$/gm)) {
    const [, file, at] = /^(.*?)((?::\d+){1,2})$/.exec(url.replace(/^async /, '')) ?? [];
    if (file === undefined) continue;
    const path = fileURLToPath(file);
    if (path === script || isUsers(path)) return path + at;
  }
  return null;
}

/** Neither of this installation nor of a package. */
const isUsers = (path: string): boolean =>
  !path.includes(`${sep}node_modules${sep}`) && !path.startsWith(`${INSTALLATION}dist${sep}`);

function named(place: string): string {
  const short = relative('', place);
  return short.startsWith('..') || short === '' ? place : short;
}
