// What crash_save_cpu() left of each CPU: an NT_PRSTATUS note in the per-CPU memory that crash_notes points at. Source: kernel/crash_core.c, kernel/kexec_core.c (2.6.19 to 7.3);
// kexec's capture kernel makes the notes of /proc/vmcore from these.
import { InputError, type Issues, MemoryFault } from 'kdumpling/reader';
import { NT_PRSTATUS } from 'kdumpling/reader/formats/notes';
import { decodePrstatus } from 'kdumpling/reader/formats/prstatus';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';

export interface CrashNote {
  /** pr_pid: the thread that ran; 0 for an idle task. */
  readonly pid: number;
  readonly registers: readonly (readonly [name: string, value: bigint])[];
}

const HEADER = 12;
const NAME = 'CORE';
/** `CORE`, its NUL, and filling. */
const NAME_ROOM = 8n;

/**
 * By CPU. One that was offline has saved nothing, and none has in a dump that no crashing kernel began. Kernels without crash dumps (KEXEC_CORE) have no crash_notes, and that is no
 * finding.
 */
export function crashNotes(kernel: Kernel, cpus: readonly number[], issues: Issues): Map<number, CrashNote> {
  const found = new Map<number, CrashNote>();
  const pointer = kernel.symbol('crash_notes');
  try {
    const notes = pointer === null ? 0n : kernel.memory.pointer(pointer.address);
    for (const cpu of notes === 0n ? [] : cpus) {
      const note = crashNote(kernel, notes, cpu, issues);
      if (note !== null) found.set(cpu, note);
    }
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-memory', `crash_notes cannot be read: ${error.message}`, error.address);
  }
  return found;
}

/** @throws MemoryFault */
function crashNote(kernel: Kernel, notes: bigint, cpu: number, issues: Issues): CrashNote | null {
  const { memory, arch } = kernel;
  const at = perCpu(kernel).address(notes, cpu);
  const header = memory.locate(at, HEADER);
  if (header < 0) throw memory.fault.toError();
  const [nameSize, size, type] = [0, 4, 8].map(offset => memory.view.getUint32(header + offset, memory.littleEndian));
  if (nameSize === 0 && size === 0 && type === 0) return null;
  const start = at + BigInt(HEADER);
  if (nameSize !== NAME.length + 1 || type !== NT_PRSTATUS || memory.text(start, NAME.length + 1) !== NAME) {
    issues.add('damaged-crash-note', `crash_notes of CPU ${cpu} begin with no NT_PRSTATUS note`, at);
    return null;
  }
  const descriptor = memory.bytes(start + NAME_ROOM, Math.min(size, arch.prstatus.size));
  try {
    const { pid, registers } = decodePrstatus(descriptor, arch.prstatus, memory.littleEndian);
    return { pid, registers: arch.prstatus.registers.map(({ name }, i) => [name, registers[i]] as const) };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    issues.add('damaged-crash-note', `crash_notes of CPU ${cpu}: ${error.message}`, at);
    return null;
  }
}
