// The CPUs when the kernel died: their registers from the dump's notes or from what the kernel saved in memory, what they ran, and which of them brought it down.
import type { DumpCpu, Issues, RegisterSet } from 'kdumpling/reader';
import type { UserMode } from 'kdumpling/reader/arch';
import { asking } from '../asking.js';
import { cpus, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';
import type { Task } from '../tasks/index.js';
import { type CrashNote, crashNotes } from './crash-notes.js';
import { type CrashedCpu, crashedCpu } from './crashed.js';
import { type Owner, type OwnerFrom, ownersOf } from './owners.js';
import { runningTasks } from './running.js';

/** What is unknown is null. */
export interface CpuState {
  /** Null for registers whose CPU is not known. */
  readonly cpu: number | null;
  /** How the CPU of a note is known; null without a note. */
  readonly cpuFrom: OwnerFrom | null;
  readonly online: boolean | null;
  readonly crashed: boolean | null;
  /** rq.curr: the thread that it ran. */
  readonly task: Task | null;
  readonly mode: 'kernel' | 'user' | null;
  /** Of user mode without symbols. */
  readonly pc: SymbolPlace | null;
  readonly sp: SymbolPlace | null;
  /** Where the general registers are from: a note of the dump, the kernel's memory, or nowhere. */
  readonly from: 'NT_PRSTATUS' | 'crash_notes' | null;
  /** By the names that gdb uses, in the kernel's order; [] where there are none. */
  readonly registers: readonly (readonly [name: string, value: bigint])[];
  /** Other registers, by the notes that hold them; what the kernel saved in memory where that differs from the dump's note. */
  readonly sets: readonly RegisterSet[];
}

export interface Cpus {
  readonly crashed: CrashedCpu | null;
  /** Possible CPUs by number, then registers whose CPU is not known. */
  readonly cpus: readonly CpuState[];
}

const NAMES = ['crash_notes', 'runqueues', '__per_cpu_offset', '__cpu_possible_mask', '__cpu_online_mask', 'panic_cpu'];

export function cpuStates(kernel: Kernel, issues: Issues): Cpus {
  kernel.expect(NAMES);
  const ask = asking(issues);
  const possible = ask('which CPUs there are', () => perCpu(kernel).possible);
  const online = ask('which CPUs were online', () => new Set(cpus(kernel, 'online')));
  const running = ask('what the CPUs ran', () => runningTasks(kernel, issues)) ?? new Map<number, Task>();
  const saved = crashNotes(kernel, possible ?? [], issues);
  const crashed = crashedCpu(kernel, issues);
  const { cpus: notes } = kernel.dump;
  const pids = new Map([...running].flatMap(([cpu, { pid }]) => (pid === null ? [] : [[cpu, pid] as const])));
  const owners = ownersOf(kernel, notes, { possible, saved, running: pids }, issues);

  const byCpu = new Map([...owners].map(([index, owner]) => [owner.cpu, index] as const));
  const numbers = [...new Set([...(possible ?? []), ...byCpu.keys()])].sort((a, b) => a - b);
  const rows = numbers.map(cpu => {
    const index = byCpu.get(cpu);
    const note = index === undefined ? null : notes[index];
    const owner = index === undefined ? null : (owners.get(index) ?? null);
    const facts = { cpu, online: online?.has(cpu) ?? null, crashed: crashed === null ? null : crashed.cpu === cpu };
    return { ...facts, task: running.get(cpu) ?? null, ...state(kernel, owner, note, saved.get(cpu) ?? null) };
  });
  const unknown = notes
    .filter(({ index }) => !owners.has(index))
    .map(note => ({ cpu: null, online: null, crashed: null, task: null, ...state(kernel, null, note, null) }))
    .filter(({ registers, sets }) => registers.length > 0 || sets.length > 0);
  tellWithout(rows, issues);
  return { crashed, cpus: [...rows, ...unknown] };
}

/** An offline CPU has saved nothing; of all others the registers should be somewhere. */
function tellWithout(rows: readonly CpuState[], issues: Issues): void {
  const without = rows.filter(({ from, online }) => from === null && online !== false).map(({ cpu }) => cpu);
  if (without.length === 0) return;
  const which = without.length === rows.length ? 'no CPU has' : `CPU ${without.join(', ')} has no`;
  issues.add('no-registers', `${which} registers, neither in the notes of the dump nor in crash_notes`);
}

type Registers = CpuState['registers'];

/** What the note of a CPU tells, or what the kernel saved of it. */
function state(kernel: Kernel, owner: Owner | null, note: DumpCpu | null, saved: CrashNote | null) {
  const inNote = note !== null && note.registers.length > 0;
  const registers: Registers = inNote ? note.registers : (saved?.registers ?? []);
  const from = inNote ? ('NT_PRSTATUS' as const) : saved === null ? null : ('crash_notes' as const);
  const mode = modeOf(kernel, registers);
  const place = (name: string): SymbolPlace | null => {
    const address = registers.find(([register]) => register === name)?.[1];
    if (address === undefined) return null;
    return mode === 'user' ? { address, symbol: null, offset: null, module: null } : symbolPlace(kernel, address);
  };
  const { programCounter, stackPointer } = kernel.arch.prstatus;
  return {
    cpuFrom: owner?.from ?? null,
    mode,
    pc: place(programCounter),
    sp: place(stackPointer),
    from,
    registers,
    sets: [
      ...(note === null || note.systemRegisters.length === 0
        ? []
        : [{ note: 'QEMU', registers: note.systemRegisters }]),
      ...(note?.registerSets ?? []),
      ...(inNote && saved !== null && differ(registers, saved.registers)
        ? [{ note: 'crash_notes', registers: saved.registers }]
        : []),
    ],
  };
}

const differ = (a: Registers, b: Registers): boolean => a.some(([, value], i) => value !== b[i]?.[1]);

function modeOf({ arch }: Kernel, registers: Registers): 'kernel' | 'user' | null {
  const { userMode, bits, prstatus } = arch;
  const value = (name: string) => registers.find(([register]) => register === name)?.[1];
  const marked = (mode: UserMode): boolean | null => {
    const word = value(mode.register);
    return word === undefined ? null : (word & mode.mask) === mode.value;
  };
  const byAddress = (): boolean | null => {
    const pc = value(prstatus.programCounter);
    return pc === undefined ? null : pc >> BigInt(bits - 1) === 0n;
  };
  const user = userMode === undefined ? byAddress() : marked(userMode);
  return user === null ? null : user ? 'user' : 'kernel';
}
