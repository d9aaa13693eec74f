// Messages that were printed where the log's lock could not be taken, and were never moved to the log: buffers of each CPU, for non-maskable interrupts (4.7, commit 42a0bb3f7138)
// and for printk within printk (4.10, commit 099f1c84c005), gone in 5.15 (commit 93d102f094be). Source: kernel/printk/{nmi,printk_safe}.c of 4.7 to 5.14.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, type Struct, struct } from '../object/index.js';

const BUFFERS = ['safe_print_seq', 'nmi_print_seq'] as const;

export interface UnflushedMessage {
  readonly cpu: number;
  /** The buffer that it is in: of non-maskable interrupts, or of printk within printk. */
  readonly buffer: (typeof BUFFERS)[number];
  /** 0 (KERN_EMERG) to 7 (KERN_DEBUG). */
  readonly level: number;
  /** Without header and final newline. They have no time. */
  readonly text: string;
}

/** struct printk_safe_seq_buf since 4.10, before that struct nmi_seq_buf of the same members. */
const TYPES = ['printk_safe_seq_buf', 'nmi_seq_buf'];
/** CONFIG_PRINTK_SAFE_LOG_BUF_SHIFT is 17 at most. */
const MOST_BYTES = 1 << 17;

/** By CPU and buffer; none for kernels without such buffers. What was lost is told in `issues`. */
export function unflushedMessages(kernel: Kernel, issues: Issues): UnflushedMessage[] {
  kernel.expect(BUFFERS);
  const found: UnflushedMessage[] = [];
  for (const buffer of BUFFERS) {
    const symbol = kernel.symbol(buffer);
    if (symbol === null) continue;
    try {
      const copies = perCpu(kernel);
      for (const cpu of copies.possible) {
        found.push(...ofCpu(kernel, copies.address(symbol.address, cpu), cpu, buffer, issues));
      }
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      issues.add(`missing-${error.kind}`, `whether ${buffer} holds messages cannot be told: ${error.message}`);
    }
  }
  return found;
}

function ofCpu(
  kernel: Kernel,
  address: bigint,
  cpu: number,
  buffer: UnflushedMessage['buffer'],
  issues: Issues,
): UnflushedMessage[] {
  const { memory } = kernel;
  try {
    // `len` is the first member: without types an empty buffer is known to be empty.
    const length = memory.u32(address);
    if (length === 0) return [];
    const layout = struct(kernel, TYPES.find(name => hasStruct(kernel, name)) ?? TYPES[0]);
    tellLost(layout, address, cpu, buffer, issues);
    const room = Math.min(layout.sizeOf('buffer'), MOST_BYTES);
    if (length > room) {
      issues.add(
        'log-corrupt',
        `${buffer} of CPU ${cpu} says that it holds ${length} bytes, and has room for ${room}`,
        address,
      );
      return [];
    }
    const bytes = memory.bytes(address + BigInt(layout.offset('buffer')), length);
    return lines(new TextDecoder().decode(bytes)).map(line => ({ cpu, buffer, ...line }));
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('log-record-lost', `${buffer} of CPU ${cpu} cannot be read: ${error.message}`, error.address);
    return [];
  }
}

function tellLost(layout: Struct, address: bigint, cpu: number, buffer: string, issues: Issues): void {
  if (!layout.has('message_lost')) return;
  const lost = layout.number('message_lost')(address);
  if (lost > 0) issues.add('log-record-lost', `${lost} messages did not fit into ${buffer} of CPU ${cpu}`, address);
}

/** KERN_SOH and a level, or `c` for what goes on with the line before. */
const HEADER = '\u0001';
const DEFAULT_LEVEL = 4;

interface Line {
  readonly level: number;
  readonly text: string;
}

/** As printk_safe_flush_buffer() takes them apart: at newlines, and at headers within a line. */
function lines(text: string): Line[] {
  const found: Line[] = [];
  let level = DEFAULT_LEVEL;
  let line = '';
  const end = (): void => {
    found.push({ level, text: line });
    level = DEFAULT_LEVEL;
    line = '';
  };
  for (const piece of pieces(text)) {
    if (piece === '\n') end();
    else if (piece[0] !== HEADER) line += piece;
    else {
      // A header goes on with its line, or ends the one before.
      if (piece[1] !== 'c' && line !== '') end();
      if (piece[1] !== 'c') level = Number(piece[1]);
      line += piece.slice(2);
    }
  }
  // A header alone is no line.
  if (line !== '') end();
  return found;
}

/** Newlines, and what stands between them, each header with what follows it. */
function* pieces(text: string): Generator<string, void> {
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const isHeader = text[at] === HEADER && /^[0-7c]$/.test(text[at + 1] ?? '');
    if (text[at] !== '\n' && !isHeader) continue;
    if (at > start) yield text.slice(start, at);
    start = at;
    if (isHeader) continue;
    yield '\n';
    start++;
  }
  if (start < text.length) yield text.slice(start);
}
