// The CPUs of a dump, from its notes: NT_PRSTATUS begins a CPU's notes, what follows up to the next one is of the same CPU. Source: kernel/crash_core.c
// (crash_save_cpu), QEMU target/*/arch_dump.c.
import type { Architecture, RegisterNote } from '../arch/arch.js';
import { InputError } from '../fault.js';
import { type Note, NT_PRSTATUS } from '../formats/notes.js';
import { decodePrstatus } from '../formats/prstatus.js';
import type { Issues } from '../issue.js';
import type { AttributeValue } from './attributes.js';

export interface DumpCpu {
  /** The place among the NT_PRSTATUS notes. That is the CPU's number unless a CPU was offline. */
  readonly index: number;
  /** pr_pid: the task that ran (kexec), or the CPU's number + 1 (QEMU, whose s390x notes have it in the byte order of the host). */
  readonly pid: number;
  /** By the names that gdb uses, in the order of the note; [] where the architecture is unknown, or the note is short or was never filled in. */
  readonly registers: readonly (readonly [name: string, value: bigint])[];
  /** Control and system registers that QEMU adds, [] without them. */
  readonly systemRegisters: readonly (readonly [name: string, value: bigint])[];
  /** Floating-point, vector, control and the like: what the CPU's other notes hold, one each. */
  readonly registerSets: readonly RegisterSet[];
  /** All notes of the CPU, NT_PRSTATUS first. */
  readonly notes: readonly Note[];
}

/** The registers of one note. Values of 16 bytes are as wide as the register. */
export interface RegisterSet {
  /** As include/uapi/linux/elf.h calls it, for instance `NT_S390_CTRS`. */
  readonly note: string;
  readonly registers: readonly (readonly [name: string, value: bigint])[];
}

/** @param littleEndian the byte order of the container, which is that of its notes */
export function cpusOf(
  notes: readonly Note[],
  arch: Architecture | null,
  littleEndian: boolean,
  issues: Issues,
): DumpCpu[] {
  const groups: Note[][] = [];
  const perCpu: Note[] = [];
  for (const note of notes) {
    if (isPrstatus(note)) groups.push([note]);
    else if (isQemu(note)) perCpu.push(note);
    else if (!isGlobal(note)) groups[groups.length - 1]?.push(note);
  }
  // QEMU writes its own notes behind all others, one a CPU in the same order.
  perCpu.forEach((note, i) => {
    groups[i]?.push(note);
  });
  return groups.map((group, index) => describe(group, index, arch, littleEndian, issues));
}

const isPrstatus = ({ name, type }: Note): boolean => type === NT_PRSTATUS && name === 'CORE';
const isQemu = ({ name }: Note): boolean => name === 'QEMU';
const isGlobal = ({ name }: Note): boolean =>
  name.startsWith('VMCOREINFO') || name === 'ERASEINFO' || name === 'KDUMPLING' || name === 'Xen';

function describe(
  notes: readonly Note[],
  index: number,
  arch: Architecture | null,
  littleEndian: boolean,
  issues: Issues,
): DumpCpu {
  const qemu = notes.find(isQemu);
  const system = qemu === undefined ? [] : systemRegisters(qemu.descriptor, littleEndian);
  const registerSets = notes.slice(1).flatMap(note => registerSet(note, arch?.registerNotes ?? [], littleEndian));
  const cpu = { index, pid: 0, registers: [], systemRegisters: system, registerSets, notes };
  if (arch === null) return cpu;
  try {
    const status = decodePrstatus(notes[0].descriptor, arch.prstatus, littleEndian);
    // All zeros are no state of a CPU: the core image that a kernel prepares beforehand (kmemdump, meminspect) has an empty note, QEMU one for a CPU that never ran.
    const filled = status.registers.some(value => value !== 0n);
    const registers = filled ? arch.prstatus.registers.map(({ name }, i) => [name, status.registers[i]] as const) : [];
    return { ...cpu, pid: pidOf(status.pid, index), registers };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    issues.add('cpu-registers', `the registers of CPU ${index} cannot be read: ${error.message}`);
    return cpu;
  }
}

/** Registers that a short note does not reach are left out. */
function registerSet({ name, type, descriptor }: Note, known: readonly RegisterNote[], littleEndian: boolean) {
  const layout = known.find(one => one.name === name && one.type === type);
  if (layout === undefined) return [];
  const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  const registers = layout.registers
    .filter(({ offset, size }) => offset + size <= descriptor.length)
    .map(({ name: register, offset, size }) => [register, registerValue(view, offset, size, littleEndian)] as const);
  return [{ note: layout.label, registers }];
}

function registerValue(view: DataView, offset: number, size: 4 | 8 | 16, littleEndian: boolean): bigint {
  if (size === 4) return BigInt(view.getUint32(offset, littleEndian));
  const first = view.getBigUint64(offset, littleEndian);
  if (size === 8) return first;
  const second = view.getBigUint64(offset + 8, littleEndian);
  return littleEndian ? (second << 64n) | first : (first << 64n) | second;
}

/** PID_MAX_LIMIT of include/linux/threads.h: no task has a PID past it. */
const MOST_PIDS = 4 * 1024 * 1024;
const swapped = new DataView(new ArrayBuffer(4));

/** QEMU's s390x_write_elf64_prstatus (target/s390x/arch_dump.c, 9.2) alone does not turn pr_pid into the target's byte order. */
function pidOf(pid: number, index: number): number {
  swapped.setInt32(0, pid, true);
  return (pid < 0 || pid > MOST_PIDS) && swapped.getInt32(0, false) === index + 1 ? index + 1 : pid;
}

/** QEMUCPUState of x86: version, size, 18 general registers, 10 segments of 24 bytes (base at 16), cr0 to cr4, kernel_gs_base. */
const SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'ldt', 'tr', 'gdt', 'idt'];
const SEGMENTS_AT = 8 + 18 * 8;
const SEGMENT_SIZE = 24;
const CONTROL_AT = SEGMENTS_AT + SEGMENTS.length * SEGMENT_SIZE;
const CONTROL = ['cr0', 'cr1', 'cr2', 'cr3', 'cr4', 'kernel_gs_base'];
const QEMU_STATE_SIZE = CONTROL_AT + CONTROL.length * 8;

function systemRegisters(descriptor: Uint8Array, littleEndian: boolean): (readonly [string, bigint])[] {
  const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  // The last register came later than the rest: the record's own size tells.
  const size = descriptor.length < 8 ? 0 : Math.min(view.getUint32(4, littleEndian), descriptor.length);
  if (size < QEMU_STATE_SIZE - 8) return [];
  const bases = SEGMENTS.map((name, i) => {
    const at = SEGMENTS_AT + i * SEGMENT_SIZE + 16;
    return [`${name}_base`, view.getBigUint64(at, littleEndian)] as const;
  });
  const control = CONTROL.filter((_, i) => CONTROL_AT + 8 * i + 8 <= size).map(
    (name, i) => [name, view.getBigUint64(CONTROL_AT + 8 * i, littleEndian)] as const,
  );
  return [...bases, ...control];
}

/** As attributes: cpu.N.pid, cpu.N.reg.NAME, cpu.N.qemu.NAME. */
export function* cpuFacts(cpus: readonly DumpCpu[]): Iterable<readonly [string, AttributeValue, string]> {
  for (const { index, pid, registers, systemRegisters: system } of cpus) {
    if (registers.length > 0) yield [`cpu.${index}.pid`, pid, 'NT_PRSTATUS'];
    for (const [name, value] of registers) yield [`cpu.${index}.reg.${name}`, value, 'NT_PRSTATUS'];
    for (const [name, value] of system) yield [`cpu.${index}.qemu.${name}`, value, 'QEMU note'];
  }
}
