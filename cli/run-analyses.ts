// Runs commands against a kernel that is open already and keeps what they print.
import { type Command, CommanderError } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { ANALYSES } from './analyses.js';
import { type Answer, type CommandContext, UsageError } from './command.js';
import { toJson } from './json.js';

/** A command and its arguments behind DUMP. */
export interface CommandLine {
  readonly name: string;
  readonly words: readonly string[];
}

export interface Outcome {
  readonly line: string;
  readonly text: string;
  readonly json: string;
  /** Something asked for could not be answered. */
  readonly partial: boolean;
}

/**
 * What a user asks to keep: names separated by commas, or one command line with arguments.
 * @throws UsageError for what is no analysis
 */
export function parseAnalyses(texts: readonly string[]): CommandLine[] {
  const lines = texts.flatMap(text => (/\S\s+\S/.test(text.trim()) ? [text.trim()] : text.split(',')));
  return lines.map(text => {
    const [name, ...words] = text.trim().split(/\s+/);
    if (!Object.hasOwn(ANALYSES, name)) {
      throw new UsageError(`${JSON.stringify(name)} is no analysis: they are ${Object.keys(ANALYSES).join(', ')}`);
    }
    if (ANALYSES[name].each === 'arguments' && words.length === 0) {
      throw new UsageError(`${name} needs arguments: --for "${name} …"`);
    }
    return { name, words };
  });
}

/** With the PID of each process for those that want one. @throws Missing where processes are needed and cannot be had */
export function expandAnalyses(kernel: Kernel, lines: readonly CommandLine[]): CommandLine[] {
  let pids: string[] | null = null;
  return lines.flatMap(line => {
    if (ANALYSES[line.name].each !== 'process' || line.words.length > 0) return [line];
    pids ??= processes(kernel);
    return pids.map(pid => ({ name: line.name, words: [pid] }));
  });
}

function processes(kernel: Kernel): string[] {
  return tasks(kernel, new Issues())
    .filter(({ pid, tgid, kernelThread }) => pid !== null && pid > 0 && pid === tgid && kernelThread === false)
    .map(({ pid }) => String(pid));
}

/** Stands where commands have DUMP; none opens it. */
const NO_DUMP = 'dump';

/** @throws UsageError for arguments that the command does not take */
export async function runAnalysis(kernel: Kernel, { name, words }: CommandLine): Promise<Outcome> {
  let answered: Answer | null = null;
  const context: CommandContext = {
    terminal: { out() {}, err() {}, interactive: false },
    kernel,
    answer: answer => {
      answered = answer;
    },
    progress: () => Promise.resolve({ update() {}, stop() {} }),
  };
  const { command } = await ANALYSES[name].load();
  const defined: Command = command(context);
  defined.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  const line = [name, ...words].join(' ');
  try {
    await defined.parseAsync([NO_DUMP, ...words], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(`${line}: ${error.message.replace(/^error: /, '')}`);
    throw error;
  }
  return outcome(line, answered);
}

function outcome(line: string, answer: Answer | null): Outcome {
  if (answer === null) throw new TypeError(`${line} answered nothing`);
  return { line, text: [...answer.text()].join('\n'), json: toJson(answer.json), partial: answer.partial };
}
