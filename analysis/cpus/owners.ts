// Which CPU each NT_PRSTATUS note of a dump is of. Their order is the CPUs' only where none was offline, and pr_pid is a PID in the notes of a kernel and a CPU's number in those of QEMU.
import { type DumpCpu, type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import type { CrashNote } from './crash-notes.js';

/** How a note's CPU is known: it is what crash_notes has in memory, its prefix leads to a lowcore that tells, QEMU numbers it, its PID runs there, or by the order of notes. */
export type OwnerFrom = 'crash_notes' | 'lowcore' | 'qemu' | 'task' | 'order';

export interface Owner {
  readonly cpu: number;
  readonly from: OwnerFrom;
}

export interface Evidence {
  /** Null where they are not known. */
  readonly possible: readonly number[] | null;
  readonly saved: ReadonlyMap<number, CrashNote>;
  /** The PID of the thread that each CPU runs; 0 for idle ones. */
  readonly running: ReadonlyMap<number, number>;
}

/** By the note's place; a note whose CPU is not known is absent. No CPU has two. */
export function ownersOf(
  kernel: Kernel,
  notes: readonly DumpCpu[],
  evidence: Evidence,
  issues: Issues,
): Map<number, Owner> {
  const owners = new Map<number, Owner>();
  const taken = new Map<number, number>();
  const numbered = notes.length > 0 && notes.every(({ pid, index }) => pid === index + 1);
  for (const note of notes) {
    const owner = ownerOf(kernel, note, notes, numbered, evidence);
    if (owner === null) continue;
    const { possible } = evidence;
    const before = taken.get(owner.cpu);
    if (before !== undefined) {
      const message = `the notes ${before} and ${note.index} both seem to be of CPU ${owner.cpu}: the second is told apart`;
      issues.add('cpu-doubtful', message);
    } else if (possible !== null && !possible.includes(owner.cpu)) {
      issues.add('cpu-doubtful', `the note ${note.index} seems to be of CPU ${owner.cpu}, which this kernel has not`);
    } else {
      taken.set(owner.cpu, note.index);
      owners.set(note.index, owner);
    }
  }
  return owners;
}

function ownerOf(
  kernel: Kernel,
  note: DumpCpu,
  notes: readonly DumpCpu[],
  numbered: boolean,
  { possible, saved, running }: Evidence,
): Owner | null {
  const equal = [...saved].filter(([, { descriptor }]) => same(descriptor, note.notes[0].descriptor));
  if (equal.length === 1) return { cpu: equal[0][0], from: 'crash_notes' };
  const cpu = cpuOfLowcore(kernel, note);
  if (cpu !== null) return { cpu, from: 'lowcore' };
  if (numbered) return { cpu: note.index, from: 'qemu' };
  const runs = [...running].filter(([, pid]) => pid === note.pid);
  const alike = notes.filter(({ pid }) => pid === note.pid);
  if (runs.length === 1 && alike.length === 1) return { cpu: runs[0][0], from: 'task' };
  return possible === null || possible.length === notes.length ? { cpu: note.index, from: 'order' } : null;
}

/** A container of another byte order than the kernel's holds another form of the same note; that is none of crash_save_cpu(). */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return b.length >= a.length && a.every((byte, i) => b[i] === byte);
}

/** s390x: each CPU sees absolute memory at its prefix as its own first pages, and finds itself there (struct lowcore of arch/s390/include/asm/lowcore.h, `_lowcore` up to 4.14). */
function cpuOfLowcore(kernel: Kernel, { registerSets }: DumpCpu): number | null {
  const prefix = registerSets.flatMap(({ registers }) => registers).find(([name]) => name === 'prefix')?.[1];
  if (prefix === undefined || prefix === 0n) return null;
  try {
    const lowcore = struct(kernel, 'lowcore');
    return kernel.physical.u32(Number(prefix) + lowcore.offset('cpu_nr'));
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return null;
    throw error;
  }
}
