// kdumpling info, as users run it. What the dump is, is known from its guest, readelf and crash.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

coreTest('--json: the documented value', (t, core) => {
  const { status, stdout, stderr } = kdumpling('info', core, '--json');
  t.is(status, 0, stderr);
  const { issues, ...answer } = JSON.parse(stdout) as Record<string, unknown>;
  t.deepEqual(answer, {
    format: 'elf',
    flattened: false,
    files: 1,
    compression: null,
    arch: 'x86_64',
    bits: 64,
    byteOrder: 'little',
    pageSize: 4096,
    release: '6.1.0-56-cloud-amd64',
    buildId: '3b43fad5034874490492495d552c0af6a5fab235',
    kaslrOffset: '0x3a200000',
    physBase: '-0x32400000',
    cpus: 2,
    // The sum of readelf's FileSiz, the region that two names share once.
    presentBytes: 860832,
    panic: { message: 'Kernel panic - not syncing: sysrq triggered crash', cpu: 0, pid: 135 },
    types: null,
    symbols: ['vmcoreinfo', 'regions'],
    deviceDumps: [],
  });
  t.true(Array.isArray(issues));
});

coreTest('text for people', (t, core) => {
  const { status, stdout } = kdumpling('info', core);
  t.is(status, 0);
  t.regex(stdout, /^dump +core\nformat +elf\narchitecture +x86_64, 64-bit, little-endian, pages of 4096 bytes\n/);
  t.regex(stdout, /\nrelease +6\.1\.0-56-cloud-amd64\nversion +#1 SMP PREEMPT_DYNAMIC Debian 6\.1\.192-2 /);
  t.regex(stdout, /\nnode +ktest-guest\n/);
  t.regex(stdout, /\npanic +Kernel panic - not syncing: sysrq triggered crash \(CPU 0, PID 135\)\n/);
});

coreTest('--attributes: each with where it is known from, and the address map; --set wins', (t, core) => {
  const { status, stdout } = kdumpling('info', core, '--attributes', '--set', 'linux.phys_base=0x1000');
  t.is(status, 0);
  t.regex(stdout, /\nelf\.machine = 62 {2}\(ELF header\)\n/);
  t.regex(stdout, /\nlinux\.vmcoreinfo\.lines\.PAGESIZE = "4096" {2}\(VMCOREINFO\)\n/);
  t.regex(stdout, /\nlinux\.phys_base = .* {2}\(user\)\n/);
  t.regex(stdout, /\n {2}0xffffffffbc31ffe0-0xffffffffbc3200ab segment segment -> physical 0x9f1ffe0\n/);
  const json = JSON.parse(kdumpling('info', core, '--attributes', '--json').stdout) as {
    attributes: Record<string, { value: unknown; from: string }>;
    addressMap: string[];
  };
  t.deepEqual(json.attributes['linux.phys_base'], { value: '-0x32400000', from: 'VMCOREINFO' });
  t.true(json.addressMap.length > 40);
});

coreTest('a setting without effect: refused, or told where another dump would have it', (t, core) => {
  const unknown = kdumpling('info', core, '--set', 'linux.fizz_base=1');
  t.is(unknown.status, 2);
  t.regex(unknown.stderr, /linux\.fizz_base cannot be set: what can are arch\.name,/);
  const unused = kdumpling('info', core, '--set', 'kdump.nr_cpus=1');
  t.is(unused.status, 0);
  t.regex(unused.stderr, /--set kdump\.nr_cpus=…: this dump has no such attribute/);
});

coreTest("VMCOREINFO of the user's", (t, core, folder) => {
  const file = join(folder, 'vmcoreinfo.txt');
  writeFileSync(file, 'OSRELEASE=9.9.9-mine\nPAGESIZE=4096\n');
  const answer = JSON.parse(kdumpling('info', core, '--vmcoreinfo', file, '--json').stdout) as Record<string, unknown>;
  t.is(answer['release'], '9.9.9-mine');
  t.is(answer['buildId'], null);
});

/** An ELF64 core of one PT_NOTE with a device dump (struct vmcoredd_header: 44 bytes of name, then the driver's data), by hand. */
function withDeviceDump(name: string, data: Buffer): Buffer {
  const descriptor = Buffer.concat([Buffer.from(name.padEnd(44, '\0')), data]);
  const note = Buffer.alloc(12 + 8 + Math.ceil(descriptor.length / 4) * 4);
  note.writeUInt32LE(6, 0);
  note.writeUInt32LE(descriptor.length, 4);
  note.writeUInt32LE(0x700, 8);
  note.write('LINUX\0', 12);
  descriptor.copy(note, 20);
  const header = Buffer.alloc(64 + 56);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(4, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(4, 64);
  header.writeBigUInt64LE(120n, 72);
  header.writeBigUInt64LE(BigInt(note.length), 96);
  return Buffer.concat([header, note]);
}

coreTest('device dumps are listed and extracted; their names are made fit for files', (t, _core, folder) => {
  const data = Buffer.from('what the driver left\n');
  const dump = join(folder, 'vmcore');
  writeFileSync(dump, withDeviceDump('../cxgb4 0000:02:00.4', data));
  const out = join(folder, 'devices');
  const { status, stdout, stderr } = kdumpling('info', dump, '--extract-device-dumps', out, '--json');
  // No release is known of it.
  t.is(status, 1, stderr);
  const answer = JSON.parse(stdout) as { deviceDumps: unknown };
  t.deepEqual(answer.deviceDumps, [{ name: '../cxgb4 0000:02:00.4', size: data.length }]);
  t.deepEqual(readdirSync(out), ['0-.._cxgb4_0000_02_00.4']);
  t.true(readFileSync(join(out, '0-.._cxgb4_0000_02_00.4')).equals(data));
  t.regex(kdumpling('info', dump).stdout, /\ndevice dump +\.\.\/cxgb4 0000:02:00\.4, 21 bytes\n/);
});

coreTest('nothing to extract: no folder', (t, core, folder) => {
  const { status, stderr } = kdumpling('info', core, '--extract-device-dumps', join(folder, 'devices'));
  t.is(status, 0);
  t.regex(stderr, /no driver left a dump \(NT_VMCOREDD\).*\[no-device-dumps\]/);
  t.false(existsSync(join(folder, 'devices')));
});

coreTest('what is no dump: exit status 3; wrong calls: 2; help has an example', (t, core, folder) => {
  const text = join(folder, 'text');
  writeFileSync(text, 'this is no dump\n');
  const unknown = kdumpling('info', text);
  t.is(unknown.status, 3);
  t.regex(unknown.stderr, /text: .*it is no dump that is known here/);
  t.is(kdumpling('info').status, 2);
  t.is(kdumpling('info', core, '--nonsense').status, 2);
  t.is(kdumpling('info', `${core}x@zz`).status, 2);
  const help = kdumpling('info', '--help');
  t.is(help.status, 0);
  t.regex(help.stdout, /Examples:\n {2}kdumpling info vmcore\n/);
});
