// The log of plain text (up to 3.4): a ring of characters, log_end counting all that were ever written. Source: kernel/printk.c (2.6.24 to 3.4).
import { type Issues, MOST_LOCATED, type VirtualMemory } from 'kdumpling/reader';
import { LogBuffer } from './buffer.js';
import type { LogLayouts } from './layouts.js';
import type { LogRecord } from './record.js';

/** `<6>[    1.234567] text`; both prefixes may be absent (a line that was continued, CONFIG_PRINTK_TIME off). */
const LINE = /^(?:<(\d{1,3})>)?(?:\[ *(\d+)\.(\d{6})\] ?)?(.*)$/s;
/** What a line without a level is printed with. */
const DEFAULT_LEVEL = 4;

export function hasLegacyLog(vmcoreinfo: LogLayouts): boolean {
  return vmcoreinfo.symbol('log_end') !== undefined && vmcoreinfo.symbol('logged_chars') !== undefined;
}

export function* readLegacyLog(
  virtual: VirtualMemory,
  vmcoreinfo: LogLayouts,
  symbol: (name: string) => bigint | null,
  issues: Issues,
): Iterable<LogRecord> {
  const buffer = LogBuffer.open(virtual, vmcoreinfo, symbol, issues);
  const end = buffer?.variable('log_end');
  const logged = buffer?.variable('logged_chars');
  if (!buffer || end === undefined || logged === undefined) return;
  const length = Math.min(logged, buffer.size);
  const start = (((end - length) % buffer.size) + buffer.size) % buffer.size;
  let seq = 0;
  for (const line of lines(buffer, virtual, start, length)) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, priority, seconds, micros, text] = match;
    const value = priority === undefined ? DEFAULT_LEVEL : Number(priority);
    const timestampNs = seconds === undefined ? 0n : BigInt(seconds) * 1_000_000_000n + BigInt(micros) * 1000n;
    yield { seq: seq++, timestampNs, level: value & 7, facility: value >> 3, caller: null, text, dictionary: null };
  }
}

/** The ring's characters in order, cut into lines; a line longer than a window is cut. */
function* lines(buffer: LogBuffer, virtual: VirtualMemory, start: number, length: number): Iterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for (let done = 0; done < length; ) {
    const at = (start + done) % buffer.size;
    const some = Math.min(MOST_LOCATED, length - done, buffer.size - at);
    const found = buffer.locate(at, some);
    if (found >= 0) {
      const parts = (rest + decoder.decode(virtual.arena.subarray(found, found + some), { stream: true })).split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
      if (rest.length > MOST_LOCATED) {
        yield rest;
        rest = '';
      }
    }
    done += some;
  }
  if (rest !== '') yield rest;
}
