// kdumpling run: a user's script with the kernel of a dump.
import { Command } from 'commander';
import { type CommandContext, CommandFailure, type DefineCommand, EXIT } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { toJson } from './json.js';
import { addKernelOptions, type KernelOptions } from './kernel-command.js';
import type { ScriptEnd, ScriptRequest } from './run-script.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'Run a script in TypeScript or JavaScript: its default export is called with {kernel, args, issues}, and what it returns is printed.',
      )
      .argument('<script>', 'a .ts, .mts, .js or .mjs file; it may import kdumpling/… wherever it lies')
      .argument('<dump>', DUMP_HELP)
      .argument('[args...]', "the script's own arguments; options of its own behind --"),
  )
    .addHelpText('after', '\nExample:\n  kdumpling run who-holds.ts vmcore 0xffff8a5d819a6200')
    .action((script: string, dump: string, args: string[], options: KernelOptions) =>
      run(context, { script, dump, args, options, context }),
    );

async function run(context: CommandContext, request: ScriptRequest): Promise<void> {
  // The library that scripts import is not the bundle's copy of it: what is given to them has to be of theirs.
  const place = new URL('../../dist/cli/run-script.js', import.meta.url).href;
  const runner = (await import(place)) as { runScript(request: ScriptRequest): Promise<ScriptEnd> };
  const { status, message, value, issues } = await runner.runScript(request);
  const { json = false } = request.options;
  if (message === null || value !== undefined) {
    const text = () => (value === undefined ? [] : linesOf(value));
    context.answer(
      { json: value ?? (json ? null : undefined), text, issues, partial: status !== EXIT.answered },
      { json },
    );
  }
  if (message !== null) throw new CommandFailure(message, status);
}

/** Text as it is, lists of texts as lines, all else as JSON. */
function* linesOf(value: unknown): Iterable<string> {
  if (typeof value === 'string') yield value.replace(/\n$/, '');
  else if (isIterable(value)) for (const one of value) yield typeof one === 'string' ? one : toJson(one);
  else yield toJson(value);
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value;
