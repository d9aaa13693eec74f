// kdumpling log: the kernel's log as dmesg shows it.
import { Command, InvalidArgumentError } from 'commander';
import {
  dmesgLines,
  kernelLog,
  type LogRecord,
  type LogStyle,
  type UnflushedMessage,
  unflushedMessages,
} from 'kdumpling/analysis/log';
import { readClock } from 'kdumpling/analysis/machine';
import { visible } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';

interface LogArguments extends KernelOptions {
  readonly ctime?: boolean;
  readonly decode?: boolean;
  readonly caller?: boolean;
  readonly level?: ReadonlySet<number>;
}

/** syslog(3)'s names in the order of their numbers. */
const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description("Print the kernel's log, as dmesg does.")
      .addArgument(dumpArgument({ several: true }))
      .option('-T, --ctime', 'wall-clock times (UTC), from the boot time that the timekeeper tells')
      .option('-x, --decode', 'facility and level of each record')
      .option('-S, --caller', 'the thread (T) or CPU (C) that printed each record, as CONFIG_PRINTK_CALLER shows it')
      .option('-l, --level <list>', `only these levels: ${LEVELS.join(', ')}`, levels),
  )
    .addHelpText('after', '\nExamples:\n  kdumpling log vmcore\n  kdumpling log vmcore -l emerg,alert,crit,err -T')
    .action((dump: string[], options: LogArguments) => log(context, dump, options));

function levels(text: string): Set<number> {
  return new Set(
    text.split(',').map(name => {
      const level = LEVELS.indexOf(name);
      if (level < 0) throw new InvalidArgumentError(`${name} is none of ${LEVELS.join(', ')}`);
      return level;
    }),
  );
}

function log(context: CommandContext, texts: string[], options: LogArguments): Promise<void> {
  return answerFromKernel(context, texts, options, [], (kernel, issues) => {
    const all = [...kernelLog(kernel, issues)];
    const { level } = options;
    const wanted = (record: { readonly level: number }) => level === undefined || level.has(record.level);
    const records = all.filter(wanted);
    const unflushed = unflushedMessages(kernel, issues).filter(wanted);
    const style: LogStyle = {
      bootNs: options.ctime === true ? readClock(kernel).bootNs : null,
      decode: options.decode === true,
      caller: options.caller === true,
    };
    return {
      json: [...records.map(row), ...unflushed.map(unflushedRow)],
      text: () => [...dmesgLines(records, style), ...unflushed.map(unflushedLine)].map(visible),
      partial: issues.count > 0 || all.length === 0,
    };
  });
}

const row = (record: LogRecord) => ({ ...record, timestampNs: String(record.timestampNs), buffer: null });

/** What never came to the log has neither number nor time. */
const unflushedRow = ({ cpu, buffer, level, text }: UnflushedMessage) => ({
  seq: null,
  timestampNs: null,
  level,
  facility: 0,
  caller: `C${cpu}`,
  text,
  dictionary: null,
  buffer,
});

const unflushedLine = ({ cpu, buffer, text }: UnflushedMessage): string => `[${buffer} C${cpu}] ${text}`;
