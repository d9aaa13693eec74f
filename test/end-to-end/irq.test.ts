// irq on real dumps: crash's interrupts, handlers, counts and affinities on 6.1, and the guests' /proc/interrupts of some seconds before the panic, whose counts are no higher.
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Irq {
  readonly irq: number;
  readonly descriptor: string;
  readonly counts: readonly number[];
  readonly affinity: readonly number[];
  readonly actions: readonly { readonly address: string; readonly name: string }[];
}

interface Answer {
  readonly cpus: readonly number[];
  readonly irqs: readonly Irq[];
  readonly counters: readonly unknown[] | null;
  readonly issues: readonly unknown[];
}

/** A line of /proc/interrupts with two CPUs. */
interface Line {
  readonly label: string;
  readonly counts: readonly number[];
  /** Chip, number, flow and names, with one space between them. */
  readonly rest: string;
}

function parseLines(text: string): Line[] {
  return [...text.matchAll(/^ *([A-Za-z0-9/]+):((?: +\d+){1,2})(?=\s|$)(.*)$/gm)].map(([, label, counts, rest]) => ({
    label,
    counts: counts.trim().split(/ +/).map(Number),
    rest: rest.trim().replace(/ +/g, ' '),
  }));
}

function noFewer(t: ExecutionContext, found: readonly Line[], before: readonly Line[]): void {
  t.deepEqual(
    found.map(({ label, rest }) => `${label}: ${rest}`),
    before.map(({ label, rest }) => `${label}: ${rest}`),
  );
  for (const [i, { label, counts }] of found.entries()) {
    for (const [cpu, count] of counts.entries()) t.true(count >= before[i].counts[cpu], `${label} of CPU ${cpu}`);
  }
}

/** The section of a guest's console. */
function serial(name: string): string {
  const text = readFileSync(realTruth(`${name}/serial.log`), 'utf8').replaceAll('\r', '');
  return /^=== interrupts\n([\s\S]*?)^===/m.exec(text)?.[1] ?? '';
}

for (const { name, guest, options } of [
  ...['x86_64-6.1', 'x86_64-7.3'].map(name => ({
    name,
    guest: () => readFileSync(realTruth(`${name}/guest/guest/proc/interrupts`), 'utf8'),
    options: [],
  })),
  ...['arm64-6.1', 'ppc64le-6.1', 's390x-6.1', 'i386-6.1'].map(name => ({
    name,
    guest: () => serial(name),
    options: ['--vmlinux', realVmlinux(name)],
  })),
]) {
  const dump = realDump(`${name}.elf`);
  realTest(`irq -s of ${name}: what the guest's /proc/interrupts has`, [dump, ...options.slice(1)], t => {
    const { status, stdout, stderr } = kdumpling('irq', dump, '-s', ...options);
    t.is(status, 0, stderr);
    const expected = parseLines(guest());
    t.true(expected.length >= 15);
    noFewer(t, parseLines(stdout), expected);
    t.regex(stdout.split('\n')[0], /^ +CPU0 +CPU1$/);
  });
}

const dump = realDump('x86_64-6.1.elf');
const crash = (file: string) => realTruth(`x86_64-6.1/crash-text/crash/${file}.txt`);
const ask = (...args: string[]) => JSON.parse(kdumpling('irq', dump, '--json', ...args).stdout) as Answer;

realTest("irq of x86_64-6.1: crash's", [dump, crash('irq'), crash('irq-s'), crash('irq-a')], t => {
  const all = ask('--all');
  t.deepEqual(all.issues, []);
  const lines = readFileSync(crash('irq'), 'utf8').matchAll(
    /^ *(\d+) +([0-9a-f]{16}) +(?:([0-9a-f]{16}) +"(.*)"|\(unused\))/gm,
  );
  t.deepEqual(
    all.irqs.map(({ irq, descriptor, actions }) => [irq, descriptor, actions[0]?.address, actions[0]?.name]),
    [...lines].map(([, irq, descriptor, action, name]) => [
      Number(irq),
      `0x${descriptor}`,
      action === undefined ? undefined : `0x${action}`,
      name,
    ]),
  );
  const used = ask();
  const counts = parseLines(readFileSync(crash('irq-s'), 'utf8'));
  t.deepEqual(
    used.irqs.map(({ irq, counts: found, actions }) => [String(irq), found, actions[0].name]),
    counts.map(({ label, counts: found, rest }) => [label, found, rest.split(' ').at(-1)]),
  );
  const ranges = (text: string) =>
    text.split(',').flatMap(part => {
      const [first, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  const affinities = [...readFileSync(crash('irq-a'), 'utf8').matchAll(/^ *(\d+) +(\S+) +([\d,-]+)$/gm)];
  t.true(affinities.length >= 10);
  t.deepEqual(
    used.irqs.map(({ irq, affinity }) => [irq, affinity]),
    affinities.map(([, irq, , cpus]) => [Number(irq), ranges(cpus)]),
  );
  t.is(used.counters, null);
});

realTest('irq for people, of one number, and of none that is there', [dump], t => {
  t.is(
    kdumpling('irq', dump, '25', '9').stdout,
    ` IRQ  IRQ_DESC          IRQACTION         NAME and HANDLER
   9  ffff8a5d811b0800  ffff8a5d8187b680  "acpi"  acpi_irq
  25  ffff8a5d824e0000  ffff8a5d9ffb7e80  "virtio1-req.0"  vring_interrupt [virtio_ring]
`,
  );
  const none = kdumpling('irq', dump, '17');
  t.is(none.status, 1);
  t.regex(none.stderr, /no interrupt has the number 17 \[no-such-irq\]/);
});

const arm64 = realDump('arm64-6.1.elf');
realTest('irq -s of arm64-6.1 without its vmlinux: interrupts, and why no counters', [arm64], t => {
  const { status, stdout, stderr } = kdumpling('irq', arm64, '-s');
  t.is(status, 1);
  t.regex(stderr, /ipi_types.*\[missing-symbol\]/);
  noFewer(
    t,
    parseLines(stdout),
    parseLines(serial('arm64-6.1')).filter(({ label }) => /^\d+$/.test(label)),
  );
});
