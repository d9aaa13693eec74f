// Commands that ask a kernel: opens the dump, its symbols and types, answers, and closes; what is missing for the whole answer becomes a finding of an empty one.
import type { Command } from 'commander';
import { type Kernel, Missing, openKernel } from 'kdumpling/analysis';
import { type Issue, Issues, MemoryFault } from 'kdumpling/reader';
import { FileSource, ModuleFolder } from 'kdumpling/reader/node';
import type { Answer, CommandContext } from './command.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  openDumpArgument,
  type SymbolOptions,
} from './dump-argument.js';
import { jsonIssues } from './json.js';

export interface KernelOptions extends DumpOptions, SymbolOptions {
  readonly modules?: string;
  readonly json?: boolean;
}

export function addKernelOptions(command: Command): Command {
  return addSymbolOptions(addDumpOptions(command))
    .option('--modules <dir>', 'a folder, however deep, with the debug files of modules (NAME.ko.debug or NAME.ko)')
    .option('--json', 'print one JSON value');
}

/** What a command answers; findings about the answer go to the `issues` that it was given, while the text is made too. */
export interface KernelAnswer {
  /** A list, or an object that gets the member `issues`. */
  readonly json: readonly unknown[] | Readonly<Record<string, unknown>>;
  text(): Iterable<string>;
  /** True where something asked for could not be answered; looked at when the text was printed. */
  readonly partial: boolean;
}

/**
 * @param dump DUMP as given
 * @param empty the JSON of an answer of nothing: `[]`, or every member null
 * @throws UsageError, InputError
 */
export async function answerFromKernel(
  context: CommandContext,
  dump: readonly string[],
  options: KernelOptions,
  empty: KernelAnswer['json'],
  ask: Ask,
): Promise<void> {
  if (context.kernel !== undefined) {
    await answerFrom(context, context.kernel, options, empty, ask);
    return;
  }
  const opened = await openDumpArgument(dump, options);
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  const modules = options.modules === undefined ? null : new ModuleFolder(options.modules);
  try {
    const kernel = await openKernel(opened, {
      ...(vmlinux === null ? {} : { vmlinux }),
      ...(modules === null ? {} : { modules: name => modules.find(name) }),
      force: options.force === true,
    });
    await answerFrom(context, kernel, options, empty, ask);
  } finally {
    modules?.close();
    vmlinux?.close();
    opened.close();
  }
}

type Ask = (kernel: Kernel, issues: Issues) => KernelAnswer | Promise<KernelAnswer>;

async function answerFrom(
  context: CommandContext,
  kernel: Kernel,
  options: KernelOptions,
  empty: KernelAnswer['json'],
  ask: Ask,
): Promise<void> {
  const issues = new Issues();
  // Only a region core can lack regions; imported for one alone.
  const needs = kernel.memory.missing === 'unregistered' ? await import('./region-needs.js') : null;
  const misses = needs?.listen(kernel);
  const answer = await askOrMiss(kernel, issues, empty, ask);
  if (misses !== undefined && (answer.partial || issues.count > 0)) {
    needs?.tellNeeded(kernel, context.command ?? '', misses, issues);
  }
  misses?.stop();
  const all = () => [...kernel.issues, ...issues];
  context.answer(withIssues(answer, all), options);
}

async function askOrMiss(kernel: Kernel, issues: Issues, empty: KernelAnswer['json'], ask: Ask): Promise<KernelAnswer> {
  try {
    return await ask(kernel, issues);
  } catch (error) {
    if (error instanceof Missing) issues.add(`missing-${error.kind}`, error.message);
    else if (error instanceof MemoryFault) issues.add('unreadable-memory', error.message, error.address);
    else throw error;
    return { json: empty, text: () => [], partial: true };
  }
}

function withIssues(answer: KernelAnswer, issues: () => readonly Issue[]): Answer {
  const { json } = answer;
  return {
    json: isList(json) ? json : { ...json, issues: jsonIssues(issues()) },
    text: () => answer.text(),
    get issues() {
      return issues();
    },
    get partial() {
      return answer.partial;
    },
  };
}

const isList = (json: KernelAnswer['json']): json is readonly unknown[] => Array.isArray(json);
