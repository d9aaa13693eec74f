// What kernel code each CPU was in when it stopped: its program counter, and the return addresses on its stack. What a CPU was changing at that moment is not as it leaves it.
import { Issues, MemoryFault } from 'kdumpling/reader';
import { wordAt } from '../collections/words.js';
import { type CpuState, cpuStates } from '../cpus/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';

export interface StoppedCpu {
  /** Null for registers whose CPU is not known. */
  readonly cpu: number | null;
  /** The innermost first; stale words of a stack may be among the return addresses. Null where nothing tells where the CPU was. */
  readonly calls: readonly SymbolPlace[] | null;
}

/** THREAD_SIZE and the sizes of the stacks of interrupts are no larger. */
const MOST_STACK = 65536;
const PIECE = 4096;
/** Where system calls enter: above them lies a gap of random size with stale words (RANDOMIZE_KSTACK_OFFSET, 5.13), and nothing that still runs. */
const ENTRIES =
  /^(do_syscall_64|_*do_fast_syscall_32|do_int80|invoke_syscall|system_call_exception|_*do_syscall|do_trap_ecall_u)\b/;

/** Of all stacks: what a crowd of CPUs that no machine has could have is not all looked at. */
const MOST_WORDS = 2 ** 22;

/** CPUs that ran, as far as it is known. */
export function stoppedCpus(kernel: Kernel): StoppedCpu[] {
  const issues = new Issues();
  try {
    const { cpus } = cpuStates(kernel, issues);
    const ran = cpus.filter(({ online, from, task }) => from !== null || online !== false || task?.pid !== 0);
    const most = Math.max(1, Math.floor((MOST_WORDS * kernel.memory.pointerSize) / (2 * MOST_STACK)));
    return ran.map((state, i) => ({ cpu: state.cpu, calls: i < most ? calls(kernel, state) : null }));
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return [{ cpu: null, calls: null }];
  }
}

function calls(kernel: Kernel, { mode, pc, sp, task, from }: CpuState): SymbolPlace[] | null {
  if (from === null || pc === null || sp === null || mode === null) return null;
  // What interrupted user code has nothing of the kernel in its hands.
  if (mode === 'user') return [];
  const bounds = task === null ? null : stackOf(kernel, task.task);
  const found = pc.symbol === null ? [] : [pc];
  const words: bigint[] = [];
  const inTask = (at: bigint): boolean => bounds !== null && at >= bounds.start && at < bounds.end;
  let below: bigint | null = inTask(sp.address) ? sp.address : null;
  if (below === null) {
    // The stack of an interrupt ends with what leads back to the one that it interrupted.
    words.push(...stackWords(kernel, sp.address, sp.address + BigInt(MOST_STACK)));
    for (const word of words) if (inTask(word) && (below === null || word < below)) below = word;
  }
  if (below !== null && bounds !== null) words.push(...stackWords(kernel, below, bounds.end));
  const isText = textTest(kernel);
  // Return addresses may be signed (pointer authentication, arm64 5.7 and later): kernel addresses have all these bits.
  const signature = kernel.vmcoreinfo?.number('KERNELPACMASK') ?? 0n;
  for (const stored of words) {
    const word = stored | signature;
    const place = isText(word) ? symbolPlace(kernel, word) : null;
    if (place === null || place.symbol === null || place.offset === 0) continue;
    found.push(place);
    if (ENTRIES.test(place.symbol)) break;
  }
  return found;
}

function stackOf(kernel: Kernel, task: bigint): { start: bigint; end: bigint } | null {
  try {
    const start = struct(kernel, 'task_struct').word('stack')(task);
    const size = kernel.types?.find('union', 'thread_union') ?? null;
    const bytes = size?.kind === 'union' && size.complete ? size.size : MOST_STACK / 4;
    return { start, end: start + BigInt(bytes) };
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return null;
  }
}

/** Up to the first that cannot be read. */
function stackWords(kernel: Kernel, start: bigint, end: bigint): bigint[] {
  const { memory } = kernel;
  const words: bigint[] = [];
  const size = memory.pointerSize;
  for (let at = start - (start % BigInt(size)); at < end; ) {
    const length = Math.min(PIECE - Number(at % BigInt(PIECE)), Number(end - at));
    const place = memory.locate(at, length);
    if (place < 0) break;
    for (let i = 0; i + size <= length; i += size) words.push(wordAt(memory, place + i));
    at += BigInt(length);
  }
  return words;
}

/** The kernel's own code: in the image, between _stext and _etext. */
function textTest(kernel: Kernel): (address: bigint) => boolean {
  kernel.expect(['_stext', '_etext']);
  const start = kernel.symbol('_stext')?.address ?? null;
  const end = kernel.symbol('_etext')?.address ?? null;
  return address => start !== null && address >= start && (end === null || address < end);
}
