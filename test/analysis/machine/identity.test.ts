import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { LogRecord } from 'kdumpling/analysis/log';
import { identity, panicOf, readBanner, readUtsname } from 'kdumpling/analysis/machine';
import { AddressMap, Issues } from 'kdumpling/reader';
import { openSymbols, VmcoreinfoSymbols } from 'kdumpling/reader/debuginfo';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { openFile } from 'kdumpling/reader/node';
import { PiecesMemory } from '../../reader/pieces-memory.js';
import { realDump, realTest, realTruth, work } from '../../real.js';

function record(text: string, caller = 'T1', facility = 0): LogRecord {
  return { seq: 0, timestampNs: 0n, level: 0, facility, caller, text, dictionary: null };
}

test('the panic message, its CPU and thread from the header behind it', t => {
  t.deepEqual(
    panicOf([
      record('Kernel panic - not syncing: of user space', 'T1', 1),
      record('CPU: 3 PID: 77 Comm: other Not tainted 6.1.0 #1', 'T77'),
      record('Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009'),
      record('something of another CPU', 'C2'),
      record('CPU: 1 PID: 1 Comm: init Not tainted 6.1.0 #1'),
      record('---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009 ]---'),
    ]),
    { message: 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009', cpu: 1, pid: 1 },
  );
});

test('after an oops the header stands before the panic; 6.12 and later tell the UID', t => {
  t.deepEqual(
    panicOf([
      record('BUG: kernel NULL pointer dereference, address: 0000000000000000', 'T9'),
      record('CPU: 2 UID: 0 PID: 9 Comm: sh Tainted: G      D 6.12.1 #1', 'T9'),
      record('Kernel panic - not syncing: Fatal exception', 'T9'),
    ]),
    { message: 'Kernel panic - not syncing: Fatal exception', cpu: 2, pid: 9 },
  );
  t.deepEqual(panicOf([record('Kernel panic - not syncing: alone')]), {
    message: 'Kernel panic - not syncing: alone',
    cpu: null,
    pid: null,
  });
  t.is(panicOf([record('sysrq: Trigger a crash')]), null);
});

const START = 0xffff_ffff_8100_0000n;

function image(texts: Record<number, string>) {
  const bytes = new Uint8Array(8192);
  for (const [at, text] of Object.entries(texts)) bytes.set(Buffer.from(text), Number(at));
  const physical = new PiecesMemory([{ paddr: 0x20_0000, bytes }]);
  const range = { name: 'image', method: 'linear', first: START, last: START + 8191n, target: 0x20_0000 } as const;
  const virtual = new AddressMap(physical, [{ ...range, confirmedBy: '', partial: false }]);
  return { physical, virtual };
}

const UTS = ['Linux', 'box', '6.1.0-test', '#7 SMP', 'x86_64', '(none)'];
const uts = (at: number) => Object.fromEntries(UTS.map((text, i) => [at + 65 * i, text]));
const INFO = (symbol: bigint, offset: number) =>
  new Vmcoreinfo(
    `OSRELEASE=6.1.0-test\nSYMBOL(_stext)=${START.toString(16)}\nSYMBOL(init_uts_ns)=${symbol.toString(16)}\nOFFSET(uts_namespace.name)=${offset}\n`,
  );

test('utsname, where VMCOREINFO puts it', t => {
  const { virtual } = image(uts(0x104));
  t.deepEqual(readUtsname(virtual, INFO(START + 0x100n, 4)), {
    sysname: 'Linux',
    nodename: 'box',
    release: '6.1.0-test',
    version: '#7 SMP',
    machine: 'x86_64',
    domainname: '(none)',
  });
  t.is(readUtsname(virtual, INFO(START + 0x100n, 0)), null);
  t.is(readUtsname(virtual, INFO(START + 8191n, 0)), null);
  t.is(readUtsname(virtual, null), null);
});

test('of two banners in an image it is the one whose version the kernel names, wherever blocks end', t => {
  const first = 'Linux version 6.1.0-test (me@here) (gcc) # SMP\n';
  const own = 'Linux version 6.1.0-test (me@here) (gcc) #7 SMP\n';
  // The memory is scanned in blocks of 1000 bytes.
  for (const at of [400, 970, 995, 1000, 1999]) {
    const space = { ...image({ 100: first, [at]: own }), vmcoreinfo: INFO(START, 0) };
    t.is(readBanner(space, null, '#7 SMP'), own.trimEnd(), String(at));
    t.is(readBanner(space, null, '#8 SMP'), null);
    t.is(readBanner(space, null, null), first.trimEnd());
    const symbols = new VmcoreinfoSymbols(
      new Vmcoreinfo(`SYMBOL(linux_banner)=${(START + BigInt(at)).toString(16)}\n`),
    );
    t.is(readBanner(space, symbols, null), own.trimEnd());
  }
});

/** What the guests' own /proc/version or console, and the commands that were typed there, tell. */
const TRUTH: Record<string, { file: string; machine: string; panic: { cpu: number; pid: number } | null }> = {
  'x86_64-6.1': { file: 'guest/guest/proc/version', machine: 'x86_64', panic: { cpu: 0, pid: 135 } },
  'x86_64-7.3': { file: 'guest/guest/proc/version', machine: 'x86_64', panic: { cpu: 1, pid: 141 } },
  'arm64-6.1': { file: 'serial.log', machine: 'aarch64', panic: { cpu: 1, pid: 1 } },
  'i386-6.1': { file: 'serial.log', machine: 'i686', panic: { cpu: 0, pid: 524 } },
  'ppc64le-6.1': { file: 'serial.log', machine: 'ppc64le', panic: { cpu: 0, pid: 530 } },
  's390x-6.1': { file: 'serial.log', machine: 's390x', panic: { cpu: 0, pid: 496 } },
};

for (const [name, { file, machine, panic }] of Object.entries(TRUTH)) {
  const files = [realDump(`${name}.elf`), realTruth(join(name, file))];
  realTest(`identity of ${name}`, files, async t => {
    const dump = await openFile(files[0]);
    const issues = new Issues();
    const told = readFileSync(files[1], 'utf8');
    const banner = /Linux version .*/.exec(told)?.[0].trimEnd() ?? '';
    const release = banner.split(' ')[2];
    for (const symbols of [openSymbols(dump).symbols, null]) {
      const found = identity(dump, symbols, issues);
      t.is(found.banner, banner);
      t.is(found.release, release);
      t.is(found.machine, machine);
      t.true(banner.endsWith(found.version ?? '-'));
      t.is(found.cpus, 2);
      t.deepEqual(found.panic, panic && { message: 'Kernel panic - not syncing: sysrq triggered crash', ...panic });
    }
    t.deepEqual(issues.list(), []);
    dump.close();
  });
}

realTest('a kernel that runs on did not panic', [join(work, 'dumps', 'trace-live-6.1.zlib-d31.kdump')], async t => {
  const dump = await openFile(join(work, 'dumps', 'trace-live-6.1.zlib-d31.kdump'));
  const found = identity(dump, null, new Issues());
  t.is(found.panic, null);
  t.is(found.release, '6.1.0-56-cloud-amd64');
  t.is(found.kaslrOffset, 0x1120_0000n);
  t.is(found.physBase, -222_298_112n);
  dump.close();
});
