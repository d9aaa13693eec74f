// The byte buffer of the older logs and the variables around it. Source: kernel/printk.c (2.6.24 to 5.9): log_buf, log_buf_len.
import type { Issues, VirtualMemory } from 'kdumpling/reader';
import type { LogLayouts } from './layouts.js';

const MOST_BYTES = 2 ** 31;

export class LogBuffer {
  readonly size: number;
  readonly #start: bigint;
  readonly #virtual: VirtualMemory;
  readonly #find: (name: string) => bigint | null;
  readonly #issues: Issues;

  private constructor(
    virtual: VirtualMemory,
    find: (name: string) => bigint | null,
    issues: Issues,
    start: bigint,
    size: number,
  ) {
    this.#virtual = virtual;
    this.#find = find;
    this.#issues = issues;
    this.#start = start;
    this.size = size;
  }

  /** Null, with an issue, if log_buf or log_buf_len cannot be had. */
  static open(
    virtual: VirtualMemory,
    vmcoreinfo: LogLayouts,
    symbol: (name: string) => bigint | null,
    issues: Issues,
  ): LogBuffer | null {
    const find = (name: string) => vmcoreinfo.symbol(name) ?? symbol(name);
    const probe = new LogBuffer(virtual, find, issues, 0n, 0);
    const size = probe.variable('log_buf_len');
    const pointer = find('log_buf');
    if (size === undefined || pointer === null || virtual.locate(pointer, virtual.pointerSize) < 0) {
      issues.add('log-unreadable', 'the log cannot be found: log_buf or log_buf_len cannot be read', pointer);
      return null;
    }
    if (size === 0 || size > MOST_BYTES) {
      issues.add('log-corrupt', `log_buf_len is ${size}`);
      return null;
    }
    return new LogBuffer(virtual, find, issues, virtual.pointer(pointer), size);
  }

  address(at: number): bigint {
    return this.#start + BigInt(at);
  }

  /** Like VirtualMemory's, for an offset in the buffer; tells an issue for what cannot be read. */
  locate(at: number, length: number): number {
    if (at + length > this.size) {
      this.#issues.add('log-corrupt', `the log goes on at ${at}, behind its buffer of ${this.size} bytes`);
      return -1;
    }
    const found = this.#virtual.locate(this.address(at), length);
    if (found < 0) {
      const why = this.#virtual.fault.toError().message;
      this.#issues.add('log-record-lost', `a part of the log cannot be read: ${why}`, this.address(at));
    }
    return found;
  }

  /** The value of an `unsigned int` or `int` variable; undefined with an issue if it is not to be had. */
  variable(name: string): number | undefined {
    const address = this.#find(name);
    const at = address === null ? -1 : this.#virtual.locate(address, 4);
    if (at >= 0) return this.#virtual.view.getUint32(at, this.#virtual.littleEndian);
    this.#issues.add('log-symbol', `the log cannot be read without ${name}`);
    return undefined;
  }

  /** The sequence number of the oldest record, a u64; 0 if it is not to be had. */
  firstSeq(): number {
    const address = this.#find('log_first_seq');
    const at = address === null ? -1 : this.#virtual.locate(address, 8);
    return at < 0 ? 0 : Number(this.#virtual.view.getBigUint64(at, this.#virtual.littleEndian));
  }
}
