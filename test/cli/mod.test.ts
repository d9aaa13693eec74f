// kdumpling mod, as users run it, against /proc/modules of the guests.
import { readFileSync } from 'node:fs';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

for (const [dump, guest] of [
  ['x86_64-6.1.elf', 'x86_64-6.1'],
  ['x86_64-7.3.elf', 'x86_64-7.3'],
  ['x86_64-7.3.zstd-d31.kdump', 'x86_64-7.3'],
] as const) {
  const truth = realTruth(`${guest}/guest/guest/proc/modules`);
  realTest(`modules of ${dump} are /proc/modules of the guest, line by line`, [realDump(dump), truth], t => {
    const { stdout, stderr, status } = kdumpling('mod', realDump(dump));
    t.deepEqual(stdout.trimEnd().split('\n'), readFileSync(truth, 'utf8').trimEnd().split('\n'));
    t.is(status, 0, stderr);
  });
}

const SERIAL = realTruth('arm64-6.1/serial.log');

realTest('modules of arm64-6.1, which has no symbol of their list', [realDump('arm64-6.1.elf'), SERIAL], t => {
  const printed = readFileSync(SERIAL, 'utf8').split('=== modules')[1].split(/\r?\n/);
  const truth = printed.filter(line => / Live 0x/.test(line)).map(line => line.trim());
  t.is(truth.length, 8);
  const { stdout, status, stderr } = kdumpling('mod', realDump('arm64-6.1.elf'));
  t.deepEqual(stdout.trimEnd().split('\n'), truth);
  t.is(status, 0, stderr);
});

interface ModuleTruth {
  readonly name: string;
  readonly addr: string;
  readonly mem: readonly { type: string; base: string; size: number }[];
  readonly totalSize: number;
  readonly refcnt: number;
  readonly taints: string;
}

for (const name of ['x86_64-7.3', 'trace-6.1']) {
  const truth = realTruth(name === 'trace-6.1' ? 'trace-6.1/drgn-json/json/modules.json' : `${name}/json/modules.json`);
  realTest(`modules of ${name} as JSON are those that drgn told`, [realDump(`${name}.elf`), truth], t => {
    const drgn = JSON.parse(readFileSync(truth, 'utf8')) as ModuleTruth[];
    const rows = JSON.parse(kdumpling('mod', realDump(`${name}.elf`), '--json').stdout) as {
      name: string;
      object: string;
      memory: { kind: string; address: string; size: number }[];
      size: number;
      references: number;
      taints: string;
    }[];
    t.deepEqual(
      rows.map(({ name, object, memory, size, references, taints }) => {
        const mem = memory.map(({ kind, address, size }) => ({ type: kind, base: address, size }));
        return { name, addr: object, mem, totalSize: size, refcnt: references, taints };
      }),
      drgn.map(({ name, addr, mem, totalSize, refcnt, taints }) => ({ name, addr, mem, totalSize, refcnt, taints })),
    );
  });
}
