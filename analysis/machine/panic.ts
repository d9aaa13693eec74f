// What the log says of the kernel's end. Source: kernel/panic.c (vpanic), lib/dump_stack.c (dump_stack_print_info) (6.1 to 7.3).
import type { LogRecord } from '../log/record.js';

export interface Panic {
  /** `Kernel panic - not syncing: …`, as it was printed. */
  readonly message: string;
  /** The CPU that panicked and the thread that ran on it; null if the log does not tell. */
  readonly cpu: number | null;
  readonly pid: number | null;
}

const MESSAGE = /^Kernel panic - not syncing\b/;
/** 6.12 and later put the UID before the PID. */
const STACK_HEADER = /^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: /;
/** A trace has some fifty lines; the header of an oops stands before its end, that of panic() itself behind the message. */
const MOST_BEFORE = 200;
const MOST_BEHIND = 8;

/** Null if the kernel did not say that it panicked. */
export function panicOf(records: Iterable<LogRecord>): Panic | null {
  const all = [...records];
  // What user space wrote to /dev/kmsg has another facility.
  const at = all.findIndex(record => record.facility === 0 && MESSAGE.test(record.text));
  if (at < 0) return null;
  const same = (record: LogRecord) => record.caller === all[at].caller;
  const behind = all.slice(at + 1, at + 1 + MOST_BEHIND).filter(same);
  const before = all
    .slice(Math.max(0, at - MOST_BEFORE), at)
    .filter(same)
    .toReversed();
  const header = [...behind, ...before].map(record => STACK_HEADER.exec(record.text)).find(match => match !== null);
  return {
    message: all[at].text,
    cpu: header ? Number(header[1]) : null,
    pid: header ? Number(header[2]) : null,
  };
}
