// Registers of CPUs in memory written by hand: whose note is whose, what crash_notes hold, and damage. struct elf_prstatus of x86_64 has pr_pid at 32 and pr_reg at 112, r15 first, rip seventeenth.
import test from 'ava';
import { Kernel } from 'kdumpling/analysis';
import { type CpuState, cpuStates } from 'kdumpling/analysis/cpus';
import { type DumpCpu, Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const POINTER = pointerTo({ kind: 'void' });
const TYPES: readonly Type[] = [
  compound('struct', 'task_struct', 64, [
    ['__state', INT, 0],
    ['exit_state', INT, 32],
    ['flags', INT, 64],
    ['pid', INT, 96],
    ['tgid', INT, 128],
    ['cpu', INT, 160],
    ['real_parent', POINTER, 192],
    ['comm', { kind: 'array', element: int('char', 1, true), length: 16 }, 256],
  ]),
  compound('struct', 'rq', 16, [['curr', POINTER, 0]]),
  compound('struct', 'cpumask', 8, [['bits', { kind: 'array', element: U64, length: 1 }, 0]]),
];
const REGISTERS =
  'r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs'.split(
    ' ',
  );
const PRSTATUS = 336;
const RIP = 112n + 16n * 8n;
const AREA = 0x1000n;

interface MadeCpu {
  readonly pid: number;
  readonly comm: string;
  /** What crash_save_cpu() wrote: rip; null: nothing. */
  readonly saved: bigint | null;
}

/** Per-CPU areas of 4096 bytes behind their templates. */
class MadeCpus {
  readonly memory = new MadeMemory(1 << 16);
  readonly queues: bigint;
  readonly notes: bigint;
  readonly pointer: bigint;
  readonly #symbols: Record<string, bigint>;
  readonly #cpus: readonly MadeCpu[];

  constructor(cpus: readonly MadeCpu[], panicked = -1) {
    const { memory } = this;
    this.#cpus = cpus;
    const template = memory.take(Number(AREA) * (cpus.length + 1), 4096);
    this.queues = template;
    this.notes = template + 0x100n;
    const offsets = memory.take(8 * cpus.length);
    const mask = memory.take(8);
    memory.words(mask, (1n << BigInt(cpus.length)) - 1n);
    this.pointer = memory.take(256, 256);
    memory.words(this.pointer, this.notes);
    const panic = memory.take(8);
    memory.u32(panic, panicked);
    for (const [cpu, made] of cpus.entries()) this.#add(cpu, made, offsets);
    this.#symbols = {
      runqueues: this.queues,
      crash_notes: this.pointer,
      __per_cpu_offset: offsets,
      __cpu_possible_mask: mask,
      __cpu_online_mask: mask,
      panic_cpu: panic,
    };
  }

  note(cpu: number): bigint {
    return this.notes + AREA * BigInt(cpu + 1);
  }

  /** struct elf_prstatus as it lies in memory. */
  descriptor(cpu: number): Uint8Array {
    const at = Number(this.note(cpu) - this.memory.base) + 20;
    return this.memory.bytes.slice(at, at + PRSTATUS);
  }

  /** In the order of struct user_regs_struct. */
  registers(cpu: number): [string, bigint][] {
    const { buffer, byteOffset } = this.descriptor(cpu);
    return REGISTERS.map((name, i) => [name, new DataView(buffer, byteOffset).getBigUint64(112 + 8 * i, true)]);
  }

  #add(cpu: number, { pid, comm, saved }: MadeCpu, offsets: bigint): void {
    const { memory } = this;
    const offset = AREA * BigInt(cpu + 1);
    memory.words(offsets + 8n * BigInt(cpu), offset);
    const task = memory.take(64);
    memory.u32(task + 12n, pid);
    memory.u32(task + 16n, pid);
    memory.words(task + 24n, task);
    memory.u8(task + 32n, ...new TextEncoder().encode(comm));
    memory.words(this.queues + offset, task);
    if (saved === null) return;
    const note = this.note(cpu);
    memory.u32(note, 5);
    memory.u32(note + 4n, PRSTATUS);
    memory.u32(note + 8n, 1);
    memory.u8(note + 12n, 0x43, 0x4f, 0x52, 0x45);
    memory.u32(note + 20n + 32n, pid);
    memory.words(note + 20n + RIP, saved);
  }

  ask(notes: readonly DumpCpu[] = [], holes: readonly bigint[] = []) {
    const made = this.memory.kernel(TYPES, this.#symbols, holes);
    const { arch, symbols, issues } = made;
    const kernel = new Kernel({ dump: { ...made.dump, cpus: notes }, arch, symbols, types: () => made.types, issues });
    const found = new Issues();
    const { crashed, cpus } = cpuStates(kernel, found);
    return { crashed, cpus, codes: found.list().map(({ code }) => code) };
  }

  /** The notes of a dump, of these CPUs in this order. */
  dumped(...cpus: number[]): DumpCpu[] {
    return cpus.map((cpu, index) => ({
      index,
      pid: this.#cpus[cpu].pid,
      registers: this.registers(cpu),
      systemRegisters: [],
      registerSets: [],
      notes: [{ name: 'CORE', type: 1, descriptor: this.descriptor(cpu) }],
    }));
  }
}

const rip = ({ registers }: CpuState) => registers.find(([name]) => name === 'rip')?.[1];
const brief = (cpus: readonly CpuState[]) => cpus.map(row => [row.cpu, row.cpuFrom, row.from, rip(row)]);

const IDLE = { pid: 0, comm: 'swapper', saved: null };
const THREE: readonly MadeCpu[] = [
  { pid: 7, comm: 'seven', saved: 0x700n },
  IDLE,
  { pid: 9, comm: 'nine', saved: 0x900n },
];

test('crash_notes tell the CPU of a note, whatever the order, and one that saved nothing has none', t => {
  const made = new MadeCpus(THREE, 2);
  const { crashed, cpus, codes } = made.ask(made.dumped(2, 0));
  t.deepEqual(brief(cpus), [
    [0, 'crash_notes', 'NT_PRSTATUS', 0x700n],
    [1, null, null, undefined],
    [2, 'crash_notes', 'NT_PRSTATUS', 0x900n],
  ]);
  t.deepEqual(crashed, { cpu: 2, from: 'panic_cpu' });
  t.deepEqual(
    cpus.map(row => [row.task?.comm, row.crashed, row.pc?.address]),
    [
      ['seven', false, 0x700n],
      ['swapper', false, undefined],
      ['nine', true, 0x900n],
    ],
  );
  t.deepEqual(codes, ['no-registers']);
});

test('without notes the registers are those of crash_notes', t => {
  const made = new MadeCpus(THREE);
  const { crashed, cpus } = made.ask();
  t.is(crashed, null);
  t.deepEqual(brief(cpus), [
    [0, null, 'crash_notes', 0x700n],
    [1, null, null, undefined],
    [2, null, 'crash_notes', 0x900n],
  ]);
});

test('where crash_notes are not in the dump, the PID that runs tells the CPU; two idle CPUs are not told apart', t => {
  const made = new MadeCpus([...THREE, IDLE, IDLE]);
  const { cpus, codes } = made.ask(made.dumped(2, 0, 1, 3), [made.pointer]);
  t.deepEqual(
    cpus.map(({ cpu, cpuFrom }) => [cpu, cpuFrom]),
    [
      [0, 'task'],
      [1, null],
      [2, 'task'],
      [3, null],
      [4, null],
      [null, null],
      [null, null],
    ],
  );
  t.deepEqual(codes, ['unreadable-memory', 'no-registers']);
});

test('notes that QEMU numbers are told by their numbers; what the kernel saved stands beside', t => {
  const made = new MadeCpus(THREE);
  const notes = made.dumped(0, 1, 2).map((note, index) => {
    const descriptor = note.notes[0].descriptor.slice();
    descriptor[0] = 0xff;
    return {
      ...note,
      pid: index + 1,
      registers: [['rip', 0x123n]] as const,
      notes: [{ ...note.notes[0], descriptor }],
    };
  });
  const { cpus } = made.ask(notes);
  t.deepEqual(
    cpus.map(row => [row.cpu, row.cpuFrom, rip(row)]),
    [0, 1, 2].map(cpu => [cpu, 'qemu', 0x123n]),
  );
  t.deepEqual(
    cpus.map(({ sets }) => sets.map(({ note, registers }) => [note, registers.find(([name]) => name === 'rip')?.[1]])),
    [[['crash_notes', 0x700n]], [], [['crash_notes', 0x900n]]],
  );
});

test('two notes of one CPU are not both believed', t => {
  const made = new MadeCpus(THREE);
  const { cpus, codes } = made.ask(made.dumped(0, 0, 2));
  t.deepEqual(brief(cpus), [
    [0, 'crash_notes', 'NT_PRSTATUS', 0x700n],
    [1, null, null, undefined],
    [2, 'crash_notes', 'NT_PRSTATUS', 0x900n],
    [null, null, 'NT_PRSTATUS', 0x700n],
  ]);
  t.true(codes.includes('cpu-doubtful'));
});

for (const [what, damage] of [
  ['no note', (made: MadeCpus) => made.memory.u32(made.note(0), 0x41414141)],
  ['another name', (made: MadeCpus) => made.memory.u8(made.note(0) + 12n, 0x58)],
  ['too short', (made: MadeCpus) => made.memory.u32(made.note(0) + 4n, 40)],
] as const) {
  test(`crash_notes that are damaged: ${what}`, t => {
    const made = new MadeCpus(THREE);
    damage(made);
    const { cpus, codes } = made.ask();
    t.deepEqual(brief(cpus), [
      [0, null, null, undefined],
      [1, null, null, undefined],
      [2, null, 'crash_notes', 0x900n],
    ]);
    t.deepEqual(codes, ['damaged-crash-note', 'no-registers']);
  });
}

test('rubbish in any words', t => survives(t, () => new MadeCpus(THREE, 2)));
