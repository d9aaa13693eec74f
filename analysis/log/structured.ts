// The log of records in a byte buffer (3.5 to 5.9). Source: kernel/printk.c of 3.5, kernel/printk/printk.c of 3.10 to 5.9 (struct log, from 3.11 printk_log; log_buf_vmcoreinfo_setup).
import type { Issues, VirtualMemory } from 'kdumpling/reader';
import { LogBuffer } from './buffer.js';
import type { LogLayouts } from './layouts.js';
import { callerName, type LogRecord } from './record.js';

/** LOG_NEWLINE: the record ends its line. LOG_CONT: it goes on with the record before. */
const NEWLINE = 2;
const CONT = 8;
/** The size of the fixed part without caller_id, which 5.1 added at its end. */
const WITHOUT_CALLER = 16;

interface RecordLayout {
  readonly size: number;
  readonly timestamp: number;
  readonly length: number;
  readonly textLength: number;
  /** Behind it come facility (1 byte), flags and level (1 byte), caller_id. */
  readonly dictLength: number;
}

const typeName = (vmcoreinfo: LogLayouts): string =>
  vmcoreinfo.size('printk_log') === undefined ? 'log' : 'printk_log';

export function hasStructuredLog(vmcoreinfo: LogLayouts): boolean {
  return vmcoreinfo.size(typeName(vmcoreinfo)) !== undefined;
}

function recordLayout(vmcoreinfo: LogLayouts, issues: Issues): RecordLayout | null {
  const type = typeName(vmcoreinfo);
  const size = vmcoreinfo.size(type) ?? 0;
  const timestamp = vmcoreinfo.offset(type, 'ts_nsec');
  const length = vmcoreinfo.offset(type, 'len');
  const textLength = vmcoreinfo.offset(type, 'text_len');
  if (timestamp === undefined || length === undefined || textLength === undefined || size < WITHOUT_CALLER) {
    issues.add('log-layout', `the log cannot be decoded: VMCOREINFO lacks the layout of struct ${type}`);
    return null;
  }
  const dictLength = vmcoreinfo.offset(type, 'dict_len') ?? textLength + 2;
  return { size, timestamp, length, textLength, dictLength };
}

/** Records in order; one that goes on with the one before is joined to it. */
export function* readStructuredLog(
  virtual: VirtualMemory,
  vmcoreinfo: LogLayouts,
  symbol: (name: string) => bigint | null,
  issues: Issues,
): Iterable<LogRecord> {
  const layout = recordLayout(vmcoreinfo, issues);
  const buffer = layout === null ? null : LogBuffer.open(virtual, vmcoreinfo, symbol, issues);
  if (layout === null || buffer === null) return;
  let pending: Stored | null = null;
  for (const stored of storedRecords(virtual, layout, buffer, issues)) {
    if (pending !== null && (pending.flags & NEWLINE) === 0 && (stored.flags & CONT) !== 0) {
      pending = joined(pending, stored);
      continue;
    }
    if (pending !== null) yield pending.record;
    pending = stored;
  }
  if (pending !== null) yield pending.record;
}

interface Stored {
  readonly record: LogRecord;
  readonly flags: number;
}

function joined(first: Stored, next: Stored): Stored {
  return { record: { ...first.record, text: first.record.text + next.record.text }, flags: next.flags };
}

function* storedRecords(
  virtual: VirtualMemory,
  layout: RecordLayout,
  buffer: LogBuffer,
  issues: Issues,
): Iterable<Stored> {
  const end = buffer.variable('log_next_idx');
  let at = buffer.variable('log_first_idx');
  let seq = buffer.firstSeq();
  let left = buffer.size;
  while (at !== undefined && end !== undefined && at !== end && left > 0) {
    const header = buffer.locate(at, layout.size);
    if (header < 0) return;
    const length = virtual.view.getUint16(header + layout.length, virtual.littleEndian);
    if (length === 0) {
      // The rest of the buffer is unused: the next record is at its start.
      left -= Math.max(layout.size, buffer.size - at);
      at = 0;
      continue;
    }
    const stored = storedRecord(virtual, layout, buffer, at, header, seq);
    if (stored === null || length < layout.size) {
      issues.add('log-corrupt', `a record of the log claims ${length} bytes`, buffer.address(at));
      return;
    }
    yield stored;
    seq++;
    left -= length;
    at += length;
  }
}

/** Null if the text passes the record's end. A text that cannot be read is empty, with an issue. */
function storedRecord(
  virtual: VirtualMemory,
  layout: RecordLayout,
  buffer: LogBuffer,
  at: number,
  header: number,
  seq: number,
): Stored | null {
  const { view, littleEndian } = virtual;
  const length = view.getUint16(header + layout.length, littleEndian);
  const textLength = view.getUint16(header + layout.textLength, littleEndian);
  if (length < layout.size + textLength) return null;
  const bits = view.getUint8(header + layout.dictLength + 3);
  const facts = {
    seq,
    timestampNs: view.getBigUint64(header + layout.timestamp, littleEndian),
    // Bitfields (flags 5, level 3) fill a byte from the end that comes first in memory.
    level: littleEndian ? bits >> 5 : bits & 7,
    facility: view.getUint8(header + layout.dictLength + 2),
    caller:
      layout.size > WITHOUT_CALLER ? callerName(view.getUint32(header + layout.dictLength + 4, littleEndian)) : null,
  };
  const dictLength = Math.min(
    view.getUint16(header + layout.dictLength, littleEndian),
    length - layout.size - textLength,
  );
  const text = storedText(virtual, buffer, at + layout.size, textLength);
  const dictionary = dictionaryOf(storedText(virtual, buffer, at + layout.size + textLength, dictLength));
  return { record: { ...facts, text, dictionary }, flags: littleEndian ? bits & 31 : bits >> 3 };
}

function storedText(virtual: VirtualMemory, buffer: LogBuffer, at: number, length: number): string {
  const place = length === 0 ? -1 : buffer.locate(at, length);
  return place < 0 ? '' : new TextDecoder().decode(virtual.arena.subarray(place, place + length));
}

/** `KEY=value` with NULs between. */
function dictionaryOf(text: string): Record<string, string> | null {
  const pairs = text.split('\0').filter(pair => pair.includes('='));
  if (pairs.length === 0) return null;
  return Object.fromEntries(pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}
