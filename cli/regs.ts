// kdumpling regs: the registers of the CPUs, what each ran, and which brought the kernel down.
import { Command } from 'commander';
import { type CpuState, cpuStates } from 'kdumpling/analysis/cpus';
import { placeText } from 'kdumpling/analysis/symbols';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { chosenCpus, cpuNumber } from './cpu-arguments.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

interface RegsOptions extends KernelOptions {
  readonly all?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('The registers of each CPU, from the notes of the dump or from what the kernel saved in memory.')
      .addArgument(dumpArgument())
      .argument('[cpu...]', 'numbers of CPUs; all if left out')
      .option('-a, --all', 'floating-point, vector and control registers too, where the dump has them'),
  )
    .addHelpText('after', '\nExample:\n  kdumpling regs vmcore 0')
    .action((dump: string, which: string[], options: RegsOptions) => regs(context, dump, which, options));

function regs(context: CommandContext, dump: string, which: readonly string[], options: RegsOptions): Promise<void> {
  const wanted = which.map(cpuNumber);
  const empty = { crashed: null, cpus: null };
  return answerFromKernel(context, [dump], options, empty, (kernel, issues) => {
    const found = cpuStates(kernel, issues);
    const cpus = chosenCpus(found.cpus, wanted, issues);
    return {
      json: { crashed: found.crashed, cpus: cpus.map(row) },
      *text() {
        for (const cpu of cpus) yield* lines(cpu, options.all === true, 2 * kernel.memory.pointerSize);
      },
      partial: incomplete(issues) || issues.list().some(({ code }) => code === 'no-registers'),
    };
  });
}

const named = (registers: CpuState['registers']) => Object.fromEntries(registers);

const row = ({ registers, sets, ...facts }: CpuState) => ({
  ...facts,
  registers: named(registers),
  sets: sets.map(({ note, registers: more }) => ({ note, registers: named(more) })),
});

const UNKNOWN = '?';

function* lines(cpu: CpuState, all: boolean, width: number): Iterable<string> {
  const { task, mode, pc, sp, from, cpuFrom } = cpu;
  const who = task === null ? UNKNOWN : `PID ${task.pid ?? UNKNOWN} ${JSON.stringify(printable(task.comm ?? UNKNOWN))}`;
  const states = [
    ...(cpu.crashed === true ? ['crashed'] : []),
    ...(cpu.online === false ? ['offline'] : []),
    ...(mode === null ? [] : [`${mode} mode`]),
    ...(from === null ? ['no registers'] : [from === 'NT_PRSTATUS' ? `NT_PRSTATUS by ${cpuFrom ?? UNKNOWN}` : from]),
  ];
  yield `CPU ${cpu.cpu ?? UNKNOWN}: ${who}  ${states.join(', ')}`;
  for (const [name, place] of [
    ['pc', pc],
    ['sp', sp],
  ] as const) {
    if (place === null) continue;
    const symbol = placeText(place);
    yield `  ${name} ${hexOf(place.address, width)}${symbol === '' ? '' : `  ${symbol}`}`;
  }
  yield* table(cpu.registers, width);
  for (const { note, registers } of all ? cpu.sets : []) {
    yield `  ${note}`;
    yield* table(registers, width);
  }
}

const hexOf = (value: bigint, width: number): string => value.toString(16).padStart(width, '0');

/** As many in a line as a terminal has room for; wide registers stand in lines of two. */
function* table(registers: CpuState['registers'], width: number): Iterable<string> {
  const digits = Math.max(width, ...registers.map(([, value]) => value.toString(16).length));
  const label = Math.max(0, ...registers.map(([name]) => name.length));
  const inLine = digits > 16 ? 2 : digits > 8 ? 4 : 6;
  for (let i = 0; i < registers.length; i += inLine) {
    const cells = registers
      .slice(i, i + inLine)
      .map(([name, value]) => `${name.padStart(label)} ${hexOf(value, digits)}`);
    yield `    ${cells.join('  ')}`;
  }
}
