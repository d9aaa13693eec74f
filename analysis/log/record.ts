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

/** Lines as dmesg shows them: each line of a record has the prefix. */
export function* dmesgLines(records: Iterable<LogRecord>): Iterable<string> {
  for (const record of records) {
    const prefix = timestampPrefix(record.timestampNs);
    for (const line of record.text.split('\n')) yield prefix + line;
  }
}
