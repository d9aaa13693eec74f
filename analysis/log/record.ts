// A record of the kernel log, and its text as dmesg shows it. Source: kernel/printk/printk.c (record_print_text, print_time, print_caller; 6.x).

export interface LogRecord {
  readonly seq: number;
  /** Nanoseconds since boot, of local_clock(). */
  readonly timestampNs: bigint;
  /** 0 (KERN_EMERG) to 7 (KERN_DEBUG). */
  readonly level: number;
  /** syslog's facility: 0 is the kernel, 1 and others are what user space wrote to /dev/kmsg. */
  readonly facility: number;
  /** Who printed it: `T` and a thread's id or `C` and a CPU's number, as the kernel shows it; null if the kernel did not record it. */
  readonly caller: string | null;
  /** Without prefix and final newline; may hold newlines. */
  readonly text: string;
  /** What dev_printk() said of the device: for instance SUBSYSTEM `pci`, DEVICE `+pci:0000:00:02.0`; null if nothing. */
  readonly dictionary: Readonly<Record<string, string>> | null;
}

/** printk_caller_id(): the highest bit tells a CPU from a thread. */
export function callerName(id: number): string {
  return id >= 0x8000_0000 ? `C${id - 0x8000_0000}` : `T${id}`;
}

/** `[    1.234567] ` */
export function timestampPrefix(timestampNs: bigint): string {
  const seconds = String(timestampNs / 1_000_000_000n).padStart(5);
  const micros = String((timestampNs % 1_000_000_000n) / 1000n).padStart(6, '0');
  return `[${seconds}.${micros}] `;
}

/** How lines are shown; dmesg's own way without any of it. */
export interface LogStyle {
  /** Wall-clock time of the boot, nanoseconds since 1970: times are then dates (UTC). */
  readonly bootNs: bigint | null;
  /** Facility and level in front. */
  readonly decode: boolean;
  /** Who printed it behind the time, where the kernel recorded it. */
  readonly caller: boolean;
}

const PLAIN: LogStyle = { bootNs: null, decode: false, caller: false };
/** syslog(3)'s facilities by their numbers, as dmesg names them. */
const FACILITIES = 'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp'.split(' ');
const LEVELS = 'emerg alert crit err warn notice info debug'.split(' ');
/** Milliseconds that a Date can hold. */
const MOST_DATE = 8_640_000_000_000_000n;

/** Lines as dmesg shows them: each line of a record has the prefix. */
export function* dmesgLines(records: Iterable<LogRecord>, style = PLAIN): Iterable<string> {
  for (const record of records) {
    const prefix = prefixOf(record, style);
    for (const line of record.text.split('\n')) yield prefix + line;
  }
}

function prefixOf({ timestampNs, facility, level, caller }: LogRecord, style: LogStyle): string {
  const time = style.bootNs === null ? timestampPrefix(timestampNs) : datePrefix(style.bootNs + timestampNs);
  const who = style.caller && caller !== null ? `${time.trimEnd()}[${caller.padStart(6)}] ` : time;
  if (!style.decode) return who;
  return `${(FACILITIES[facility] ?? String(facility)).padEnd(6)}:${LEVELS[level].padEnd(6)}: ${who}`;
}

/** `[Sat Nov 21 12:34:56 2026] `, as ctime(3). */
function datePrefix(ns: bigint): string {
  const ms = ns / 1_000_000n;
  if (ms > MOST_DATE || ms < -MOST_DATE) return `[${ns} ns] `;
  const date = new Date(Number(ms));
  const [day, month] = [date.toUTCString().slice(0, 3), date.toUTCString().slice(8, 11)];
  const time = date.toISOString().slice(11, 19);
  return `[${day} ${month} ${String(date.getUTCDate()).padStart(2)} ${time} ${date.getUTCFullYear()}] `;
}
