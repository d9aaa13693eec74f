// env and log on real dumps with nothing but the dump, against what the guest and drgn said.
import { readFileSync } from 'node:fs';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

interface Env {
  readonly release: string;
  readonly cpus: unknown;
  readonly memory: number;
  readonly time: string;
  readonly uptimeNs: string;
  readonly tainted: unknown[];
  readonly commandLine: string;
  readonly panic: unknown;
  readonly issues: unknown[];
}

for (const { name, cpu, pid } of [
  { name: 'x86_64-6.1', cpu: 0, pid: 135 },
  { name: 'x86_64-7.3', cpu: 1, pid: 141 },
]) {
  const dump = realDump(`${name}.elf`);
  const proc = (file: string) => realTruth(`${name}/guest/guest/proc/${file}`);

  realTest(`env of ${name}`, [dump, proc('stat'), proc('meminfo'), proc('cmdline')], t => {
    const { status, stdout } = kdumpling('env', dump, '--json');
    const found = JSON.parse(stdout) as Env;
    t.is(status, 0);
    t.deepEqual(found.issues, []);
    t.deepEqual(found.cpus, { possible: 2, present: 2, online: 1 });
    t.is(`${found.commandLine}\n`, readFileSync(proc('cmdline'), 'utf8'));
    t.is(found.memory / 1024, Number(/MemTotal: +(\d+) kB/.exec(readFileSync(proc('meminfo'), 'utf8'))?.[1]));
    const boot = (Date.parse(found.time) - Number(found.uptimeNs) / 1e6) / 1000;
    t.is(Math.floor(boot), Number(/^btime (\d+)$/m.exec(readFileSync(proc('stat'), 'utf8'))?.[1]));
    t.deepEqual(found.tainted, []);
    t.deepEqual(found.panic, { message: 'Kernel panic - not syncing: sysrq triggered crash', cpu, pid });
  });
}

const truth = realTruth('x86_64-6.1/json/dmesg.json');
const dump = realDump('x86_64-6.1.elf');

realTest('log as dmesg -x -S shows it', [dump, truth], t => {
  const { records } = JSON.parse(readFileSync(truth, 'utf8')) as {
    records: { ts: number; level: number; facility: number; text: string; tid: number }[];
  };
  const levels = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
  const expected = records.flatMap(({ ts, level, facility, text, tid }) => {
    const seconds = `${Math.floor(ts / 1e9)}.${String(Math.floor((ts % 1e9) / 1000)).padStart(6, '0')}`.padStart(12);
    const prefix = `${facility === 0 ? 'kern' : 'user'}  :${levels[level].padEnd(6)}: [${seconds}][${`T${tid}`.padStart(6)}] `;
    return text.split('\n').map(line => prefix + line);
  });
  const { status, stdout } = kdumpling('log', dump, '-x', '-S');
  t.is(status, 0);
  t.deepEqual(stdout.trimEnd().split('\n'), expected);
});

realTest('log -T begins at the boot, and -l takes levels', [dump], t => {
  const { status, stdout } = kdumpling('log', dump, '-T', '-l', 'emerg');
  t.is(status, 0);
  const lines = stdout.trimEnd().split('\n');
  // The guest's clock said so to QEMU's user too: the boot second of /proc/stat and 55.3 seconds.
  t.is(lines[0], '[Fri Nov 20 20:27:22 2026] Kernel panic - not syncing: sysrq triggered crash');
  t.true(lines.every(line => line.startsWith('[Fri Nov 20 20:27:22 2026] ')));
});
