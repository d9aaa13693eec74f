// kdumpling env: the machine and its state when the kernel died.
import { Command } from 'commander';
import { type Environment, environment } from 'kdumpling/analysis/machine';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Tell of the machine and its state: kernel, CPUs, memory, uptime, taint, command line, panic.')
      .addArgument(dumpArgument({ several: true })),
  ).action((dump: string[], options: KernelOptions) => env(context, dump, options));

const EMPTY = {
  release: null,
  version: null,
  nodename: null,
  machine: null,
  cpus: null,
  memory: null,
  time: null,
  uptimeNs: null,
  tainted: null,
  commandLine: null,
  panic: null,
};

function env(context: CommandContext, texts: string[], options: KernelOptions): Promise<void> {
  return answerFromKernel(context, texts, options, EMPTY, (kernel, issues) => {
    const found = environment(kernel, issues);
    const release = found.uts?.release ?? kernel.vmcoreinfo?.release ?? null;
    return { json: json(found, release), text: () => lines(found, release), partial: issues.count > 0 };
  });
}

function json({ uts, cpus, memory, clock, tainted, commandLine, panic }: Environment, release: string | null) {
  return {
    release,
    version: uts?.version ?? null,
    nodename: uts?.nodename ?? null,
    machine: uts?.machine ?? null,
    cpus,
    memory,
    time: clock === null ? null : dateOf(clock.wallNs),
    uptimeNs: clock === null ? null : String(clock.uptimeNs),
    tainted,
    commandLine,
    panic,
  } satisfies KernelAnswer['json'];
}

const UNKNOWN = 'unknown';
const row = (name: string, value: string | null | undefined): string =>
  `${name.padEnd(14)}${printable(value ?? UNKNOWN)}`;

function* lines(found: Environment, release: string | null): Iterable<string> {
  const { uts, cpus, memory, clock, tainted, commandLine, panic } = found;
  yield row('release', release);
  yield row('version', uts?.version);
  yield row('nodename', uts?.nodename);
  yield row('machine', uts?.machine);
  yield row('CPUs', cpus === null ? null : `${cpus.possible} possible, ${cpus.present} present, ${cpus.online} online`);
  yield row('memory', memory === null ? null : `${Math.round(memory / 2 ** 20)} MiB`);
  yield row('time', clock === null ? null : dateOf(clock.wallNs));
  yield row('uptime', clock === null ? null : duration(clock.uptimeNs));
  yield row('tainted', tainted === null ? null : tainted.length === 0 ? 'no' : tainted.map(one => one.letter).join(''));
  for (const { letter, reason } of tainted ?? []) yield row('', `${letter}: ${reason}`);
  yield row('command line', commandLine);
  yield row('panic', panic === null ? 'none that the log tells of' : panic.message);
  if (panic !== null) yield row('', `CPU ${panic.cpu ?? UNKNOWN}, PID ${panic.pid ?? UNKNOWN}`);
}

/** ISO 8601 (UTC) to the millisecond; null for a time that no calendar has. */
function dateOf(ns: bigint): string | null {
  const date = new Date(Number(ns / 1_000_000n));
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function duration(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const two = (value: bigint) => String(value).padStart(2, '0');
  return `${seconds / 86400n} days, ${two((seconds / 3600n) % 24n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
}
