// The command line: a table from names to commands, each imported when it is called.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { InputError, type Issue, MemoryFault } from 'kdumpling/reader';
import {
  type Answer,
  type CommandContext,
  CommandFailure,
  type DefineCommand,
  EXIT,
  type Progress,
  type Terminal,
  UsageError,
} from './command.js';
import { jsonIssues, toJson } from './json.js';
import { ReaderGone, writeStandardOutput } from './standard-output.js';

/** name -> one line of help, and where the command is. */
const COMMANDS: Record<string, { about: string; load: () => Promise<{ command: DefineCommand }> }> = {
  demo: { about: "run the whole pipeline on a real kernel's regions", load: () => import('./demo.js') },
  advise: { about: 'the smallest region set that keeps the answers of analyses', load: () => import('./advise.js') },
  assemble: { about: 'put an ELF core together from a region dump', load: () => import('./assemble.js') },
  carve: { about: 'register regions over a dump and let a back-end dump them', load: () => import('./carve.js') },
  config: { about: "print the kernel's .config", load: () => import('./config.js') },
  convert: { about: 'write a dump in another format', load: () => import('./convert.js') },
  doctor: { about: 'find what contradicts itself', load: () => import('./doctor.js') },
  env: { about: 'tell of the machine and its state', load: () => import('./env.js') },
  files: { about: 'open files of a process', load: () => import('./files.js') },
  info: { about: 'tell what a dump is', load: () => import('./info.js') },
  slab: { about: 'slab caches and their objects', load: () => import('./slab.js') },
  struct: { about: 'layouts of structs, and their values in memory', load: () => import('./struct.js') },
  sym: { about: 'symbols by name, address or pattern', load: () => import('./sym.js') },
  log: { about: "print the kernel's log", load: () => import('./log.js') },
  mod: { about: 'the loaded modules', load: () => import('./mod.js') },
  mounts: { about: 'what is mounted where', load: () => import('./mounts.js') },
  pages: { about: 'what memory is used for, zones, single pages', load: () => import('./pages.js') },
  ps: { about: 'threads, idle ones included', load: () => import('./ps.js') },
  regs: { about: 'registers of the CPUs, and which of them died', load: () => import('./regs.js') },
  run: { about: 'run a script with the typed kernel', load: () => import('./script.js') },
  runq: { about: 'what each CPU ran, and what waited for it', load: () => import('./runq.js') },
  irq: { about: 'interrupts: handlers and counts', load: () => import('./irq.js') },
  timers: { about: 'pending timers of the wheel and high-resolution ones', load: () => import('./timers.js') },
  swap: { about: 'swap devices and files', load: () => import('./swap.js') },
  list: { about: 'walk a list, with members of its elements', load: () => import('./list.js') },
  search: { about: 'find words or text in memory', load: () => import('./search.js') },
  tree: { about: 'walk a red-black tree, XArray, maple tree or IDR', load: () => import('./tree.js') },
  read: { about: 'read memory of a dump', load: () => import('./read.js') },
  vmalloc: { about: 'areas of vmalloc space', load: () => import('./vmalloc.js') },
  whatis: { about: 'what addresses point to', load: () => import('./whatis.js') },
  vm: { about: 'memory areas of a process', load: () => import('./vm.js') },
  vtop: { about: 'translate addresses, showing the page table entries', load: () => import('./vtop.js') },
};

/** Progress that nobody watches. */
const SILENT: Progress = { update() {}, stop() {} };

const processTerminal: Terminal = {
  out: writeStandardOutput,
  err: text => void process.stderr.write(text),
  interactive: process.stderr.isTTY === true,
};

/** Runs one command line (without `node` and the script); returns the exit status. */
export async function main(args: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  let status: number = EXIT.answered;
  let asked = '';
  const context: CommandContext = {
    terminal,
    get command() {
      return asked;
    },
    answer(answer, options) {
      print(answer, options.json === true, terminal);
      status = answer.partial ? EXIT.partial : EXIT.answered;
    },
    progress: async title => (terminal.interactive ? (await import('./progress.js')).openProgress(title) : SILENT),
  };
  try {
    // `help NAME` is `NAME --help`.
    const [name, ...rest] = args[0] === 'help' && args.length === 2 ? [args[1], '--help'] : args;
    const entry = name === undefined || !Object.hasOwn(COMMANDS, name) ? undefined : COMMANDS[name];
    if (entry === undefined) return await overview(args, terminal);
    asked = name;
    const { command } = await entry.load();
    const defined = command(context);
    defined.name(`kdumpling ${name}`);
    configure(defined, terminal);
    await defined.parseAsync(rest, { from: 'user' });
    return status;
  } catch (error) {
    return failed(error, terminal);
  }
}

function configure(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: text => terminal.out(text),
    writeErr: text => terminal.err(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'kdumpling: ')),
  });
}

async function overview(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('kdumpling').description(
    'Kernel crash dumps: mark regions, dump them, assemble cores, read any dump.',
  );
  for (const [name, { about }] of Object.entries(COMMANDS))
    program.command(name).description(about).allowUnknownOption();
  program.version(version(), '-V, --version');
  configure(program, terminal);
  if (args.length === 0) {
    terminal.err(program.helpInformation());
    return EXIT.usage;
  }
  await program.parseAsync([...args], { from: 'user' });
  return EXIT.answered;
}

function version(): string {
  // What is built lies two folders deep in the package, bundled or not.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function print(answer: Answer, json: boolean, terminal: Terminal): void {
  if (json) {
    if (answer.json !== undefined) terminal.out(`${toJson(answer.json)}\n`);
    if (Array.isArray(answer.json)) terminal.err(`${toJson({ issues: jsonIssues(answer.issues) })}\n`);
    return;
  }
  let block = '';
  for (const line of answer.text()) {
    block += `${line}\n`;
    if (block.length > 65536) {
      terminal.out(block);
      block = '';
    }
  }
  if (block !== '') terminal.out(block);
  for (const issue of answer.issues) terminal.err(`${noteLine(issue)}\n`);
}

function noteLine(issue: Issue): string {
  return `note: ${issue.message} [${issue.code}]`;
}

function failed(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT.answered : EXIT.usage;
  }
  if (error instanceof ReaderGone) return EXIT.answered;
  if (error instanceof UsageError) {
    terminal.err(`kdumpling: ${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof CommandFailure) {
    terminal.err(`kdumpling: ${error.message}\n`);
    return error.status;
  }
  if (error instanceof InputError || error instanceof MemoryFault) {
    terminal.err(`kdumpling: ${error.message}\n`);
    return EXIT.unreadable;
  }
  throw error;
}
