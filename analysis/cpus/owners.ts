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
  const possible = evidence.possible === null ? null : new Set(evidence.possible);
  const find = ownerFinder(kernel, notes, evidence);
  for (const note of notes) {
    const owner = find(note);
    if (owner === null) continue;
    const before = taken.get(owner.cpu);
    if (before !== undefined) {
      const message = `the notes ${before} and ${note.index} both seem to be of CPU ${owner.cpu}: the second is told apart`;
      issues.add('cpu-doubtful', message);
    } else if (possible !== null && !possible.has(owner.cpu)) {
      issues.add('cpu-doubtful', `the note ${note.index} seems to be of CPU ${owner.cpu}, which this kernel has not`);
    } else {
      taken.set(owner.cpu, note.index);
      owners.set(note.index, owner);
    }
  }
  return owners;
}

type Registers = DumpCpu['registers'];

/** What two records of the same state share. */
const stateKey = (pid: number, registers: Registers): string =>
  [pid, ...registers.map(([, value]) => value.toString(36))].join();

function ownerFinder(
  kernel: Kernel,
  notes: readonly DumpCpu[],
  { possible, saved, running }: Evidence,
): (note: DumpCpu) => Owner | null {
  const bySaved = new OneOf([...saved].map(([cpu, { pid, registers }]) => [stateKey(pid, registers), cpu]));
  const byPid = new OneOf([...running].map(([cpu, pid]) => [pid, cpu]));
  const alike = new OneOf(notes.map(({ pid, index }) => [pid, index]));
  const numbered = notes.length > 0 && notes.every(({ pid, index }) => pid === index + 1);
  return note => {
    const same = bySaved.get(stateKey(note.pid, note.registers));
    if (same !== null) return { cpu: same, from: 'crash_notes' };
    const lowcore = cpuOfLowcore(kernel, note);
    if (lowcore !== null) return { cpu: lowcore, from: 'lowcore' };
    if (numbered) return { cpu: note.index, from: 'qemu' };
    const runs = alike.get(note.pid) === null ? null : byPid.get(note.pid);
    if (runs !== null) return { cpu: runs, from: 'task' };
    return possible === null || possible.length === notes.length ? { cpu: note.index, from: 'order' } : null;
  };
}

/** What a key leads to, if to one thing only. */
class OneOf<K> {
  readonly #found = new Map<K, number | null>();

  constructor(entries: readonly (readonly [K, number])[]) {
    for (const [key, value] of entries) this.#found.set(key, this.#found.has(key) ? null : value);
  }

  get(key: K): number | null {
    return this.#found.get(key) ?? null;
  }
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
