// regs on real dumps: against QEMU's own registers, what the guests' programs held in theirs, and the two ways to the same registers (the dump's notes and the kernel's memory).
import { readFileSync } from 'node:fs';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { type CpuState, cpuStates } from 'kdumpling/analysis/cpus';
import { type Dump, Issues } from 'kdumpling/reader';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

type Registers = Readonly<Record<string, string>>;

interface Row {
  readonly cpu: number | null;
  readonly cpuFrom: string | null;
  readonly online: boolean;
  readonly crashed: boolean;
  readonly task: { readonly pid: number; readonly comm: string };
  readonly mode: string;
  readonly pc: { readonly address: string; readonly symbol: string | null };
  readonly registers: Registers;
  readonly sets: readonly { readonly note: string; readonly registers: Registers }[];
}

interface Answer {
  readonly crashed: unknown;
  readonly cpus: readonly Row[];
  readonly issues: readonly { readonly code: string }[];
}

const hex = (text: string): string => `0x${BigInt(`0x${text}`).toString(16)}`;

/** `NAME=hex` and `NAME =hex` of `info registers`, of each CPU. */
function monitor(text: string): Map<string, string>[] {
  return text
    .split(/^CPU#\d+$/m)
    .slice(1)
    .map(block => new Map([...block.matchAll(/\b([A-Z]+\d*) *=([0-9a-f]+)/g)].map(([, name, value]) => [name, value])));
}

const X86 = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip cs ss ds es'.split(' ');

for (const { name, crashed, ran } of [
  { name: 'x86_64-6.1', crashed: 0, ran: [135, 146] },
  { name: 'x86_64-7.3', crashed: 1, ran: [153, 141] },
]) {
  const dump = realDump(`${name}.elf`);
  const truth = realTruth(`${name}/qemu-registers.txt`);
  realTest(`regs of ${name}: QEMU's`, [dump, truth], t => {
    const { status, stdout } = kdumpling('regs', dump, '--json');
    t.is(status, 0);
    const found = JSON.parse(stdout) as Answer;
    t.deepEqual(found.issues, []);
    t.deepEqual(found.crashed, { cpu: crashed, from: 'panic_cpu' });
    const expected = monitor(readFileSync(truth, 'utf8'));
    t.is(found.cpus.length, expected.length);
    for (const [i, row] of found.cpus.entries()) {
      const { cpu, cpuFrom, online, mode, task } = row;
      const facts = { cpu, cpuFrom, online, crashed: row.crashed, mode, pid: task.pid };
      t.deepEqual(facts, {
        cpu: i,
        cpuFrom: 'qemu',
        online: i === crashed,
        crashed: i === crashed,
        mode: 'kernel',
        pid: ran[i],
      });
      for (const register of X86) {
        t.is(row.registers[register], hex(expected[i].get(register.toUpperCase()) ?? 'none'), `${i} ${register}`);
      }
      t.is(row.registers['eflags'], hex(expected[i].get('RFL') ?? 'none'));
      const system = row.sets.find(({ note }) => note === 'QEMU')?.registers ?? {};
      for (const register of ['cr0', 'cr2', 'cr3', 'cr4'])
        t.is(system[register], hex(expected[i].get(register.toUpperCase()) ?? 'none'));
    }
    t.deepEqual(
      found.cpus.map(({ pc }) => pc.symbol),
      found.cpus.map(({ cpu }) => (cpu === crashed ? 'delay_tsc' : 'stop_this_cpu')),
    );
  });
}

const s390x = realDump('s390x-6.1.elf');
const monitors = realTruth('s390x-6.1/qmp.txt');

realTest("regs of s390x-6.1: QEMU's, floating point, vectors and control registers too", [s390x, monitors], t => {
  const { status, stdout } = kdumpling('regs', s390x, '--json', '--vmlinux', realVmlinux('s390x-6.1'));
  t.is(status, 0);
  const found = JSON.parse(stdout) as Answer;
  const blocks = [...readFileSync(monitors, 'utf8').matchAll(/^CPU#(\d)\n([^#]*)/gm)].slice(0, 2);
  t.is(found.cpus.length, 2);
  for (const [, number, block] of blocks) {
    const row = found.cpus[Number(number)];
    const expected = new Map([...block.matchAll(/\b([RVC]\d\d)=([0-9a-f]+)/g)].map(([, key, value]) => [key, value]));
    const said = (key: string, from = 0, to = 32) => hex(expected.get(key)?.slice(from, to) ?? 'none');
    const [, mask, address] = /mask ([0-9a-f]+) addr ([0-9a-f]+)/.exec(block) ?? [];
    t.is(row.registers['pswm'], hex(mask));
    t.is(row.registers['pswa'], hex(address));
    const set = (note: string) => row.sets.find(one => one.note === note)?.registers ?? {};
    for (let i = 0; i < 16; i++) {
      const two = String(i).padStart(2, '0');
      t.is(row.registers[`r${i}`], said(`R${two}`));
      t.is(set('NT_S390_CTRS')[`cr${i}`], said(`C${two}`));
      t.is(set('NT_FPREGSET')[`f${i}`], said(`V${two}`, 0, 16));
      t.is(set('NT_S390_VXRS_LOW')[`v${i}l`], said(`V${two}`, 16));
      t.is(set('NT_S390_VXRS_HIGH')[`v${16 + i}`], said(`V${16 + i}`));
    }
    t.is(row.cpuFrom, 'lowcore');
  }
  t.deepEqual(
    found.cpus.map(({ task, mode, pc, crashed }) => [task.comm, mode, pc.symbol, crashed]),
    [
      ['sh', 'kernel', 'stop_run', true],
      ['dd', 'kernel', 'smp_handle_ext_call', false],
    ],
  );
});

/** Registers of the guests' kdspin0, which runs on CPU 0 in a loop of its own; two of them count. */
const SPIN = 0x5eedn << 48n;

realTest('regs of arm64-6.1: a user program that fills its registers', [realDump('arm64-6.1.elf')], t => {
  const { status, stdout } = kdumpling('regs', realDump('arm64-6.1.elf'), '--json');
  t.is(status, 0);
  const { crashed, cpus } = JSON.parse(stdout) as Answer;
  t.deepEqual(crashed, { cpu: 1, from: 'panic_cpu' });
  const [spins, died] = cpus;
  const lines = readFileSync(realTruth('arm64-6.1/guest-lines.txt'), 'utf8');
  const start = Number.parseInt(/SPINCODE name=kdspin0 pid=122 spin_fn=([0-9a-f]+)/.exec(lines)?.[1] ?? '', 16);
  t.true(Number(spins.pc.address) >= start && Number(spins.pc.address) < start + 0x400);
  t.is(spins.pc.symbol, null);
  t.deepEqual([spins.mode, spins.task.comm, spins.task.pid, spins.cpuFrom], ['user', 'kdspin0', 122, 'crash_notes']);
  for (let i = 1; i <= 28; i++) t.is(spins.registers[`x${i}`], `0x${(SPIN + 0x5e00n + BigInt(i)).toString(16)}`);
  t.deepEqual([died.mode, died.task.comm, died.pc.symbol], ['kernel', 'init', '__crash_kexec']);
});

async function withKernel(
  name: string,
  change: (dump: Dump) => Dump,
  body: (kernel: Kernel, issues: Issues) => void,
): Promise<void> {
  const dump = await openFile(realDump(`${name}.elf`));
  const vmlinux = name.startsWith('arm64') ? null : new FileSource(realVmlinux(name));
  try {
    body(await openKernel(change(dump), vmlinux === null ? {} : { vmlinux }), new Issues());
  } finally {
    vmlinux?.close();
    dump.close();
  }
}

const without = (dump: Dump): Dump =>
  new Proxy(dump, { get: (target, key) => (key === 'cpus' ? [] : Reflect.get(target, key, target)) });
/** As if a CPU before the first had been offline, or the notes had been written in another order. */
const turned = (dump: Dump): Dump =>
  new Proxy(dump, {
    get: (target, key) =>
      key === 'cpus'
        ? target.cpus.toReversed().map((cpu, index) => ({ ...cpu, index }))
        : Reflect.get(target, key, target),
  });

const facts = ({ cpu, task, mode, pc, registers }: CpuState) => ({ cpu, task, mode, pc, registers });

for (const name of ['arm64-6.1', 'ppc64le-6.1', 'i386-6.1']) {
  const files = [realDump(`${name}.elf`), ...(name.startsWith('arm64') ? [] : [realVmlinux(name)])];
  realTest(`regs of ${name}: crash_notes hold what the notes of /proc/vmcore are made from`, files, async t => {
    let noted: CpuState[] = [];
    await withKernel(
      name,
      dump => dump,
      (kernel, issues) => {
        noted = [...cpuStates(kernel, issues).cpus];
        t.deepEqual(
          noted.map(({ from, cpuFrom }) => [from, cpuFrom]),
          [
            ['NT_PRSTATUS', 'crash_notes'],
            ['NT_PRSTATUS', 'crash_notes'],
          ],
        );
      },
    );
    const same = (change: (dump: Dump) => Dump, check: (cpus: readonly CpuState[]) => void) =>
      withKernel(name, change, (kernel, issues) => {
        const { cpus } = cpuStates(kernel, issues);
        t.deepEqual(cpus.map(facts), noted.map(facts));
        check(cpus);
      });
    await same(without, cpus => t.true(cpus.every(({ from }) => from === 'crash_notes')));
    await same(turned, cpus => t.true(cpus.every(({ cpuFrom }) => cpuFrom === 'crash_notes')));
  });
}

realTest('regs with nothing but the dump of a kernel without BTF: the registers, and why no more', [s390x], t => {
  const { status, stdout } = kdumpling('regs', s390x, '--json');
  t.is(status, 1);
  const { cpus, issues } = JSON.parse(stdout) as Answer;
  t.deepEqual(
    cpus.map(({ pc }) => pc.symbol),
    ['stop_run', 'smp_handle_ext_call'],
  );
  t.true(issues.some(({ code }) => code === 'missing-type'));
});
