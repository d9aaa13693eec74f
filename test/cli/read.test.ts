// kdumpling read, as users run it. What memory holds is known from crash's `rd` on the dump that the core was carved from.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

const BANNER = '0xffffffffbc31ffe0';

coreTest('bytes as a hexdump, by address and by physical address', (t, core) => {
  const lines = [
    '4c 69 6e 75 78 20 76 65  72 73 69 6f 6e 20 36 2e  |Linux version 6.|',
    '31 2e 30 2d 35 36 2d 63  6c 6f 75 64 2d 61 6d 64  |1.0-56-cloud-amd|',
  ];
  const virtual = kdumpling('read', core, BANNER, '32');
  t.is(virtual.status, 0, virtual.stderr);
  t.is(virtual.stdout, `ffffffffbc31ffe0  ${lines[0]}\nffffffffbc31fff0  ${lines[1]}\n`);
  const physical = kdumpling('read', core, '0x9f1ffe0', '0x20', '--physical');
  t.is(physical.stdout, `09f1ffe0  ${lines[0]}\n09f1fff0  ${lines[1]}\n`);
  t.is(physical.status, 0);
  // Decimal, and as other tools print addresses.
  t.is(kdumpling('read', core, '166854624', '32', '--physical').stdout, physical.stdout);
  t.is(kdumpling('read', core, 'ffffffffbc31ffe0', '32').stdout, virtual.stdout);
});

coreTest("words in memory's byte order", (t, core) => {
  const read = (unit: string) => kdumpling('read', core, BANNER, '16', '--unit', unit).stdout;
  t.is(read('8'), 'ffffffffbc31ffe0  65762078756e694c 2e36206e6f697372\n');
  t.is(read('4'), 'ffffffffbc31ffe0  756e694c 65762078 6f697372 2e36206e\n');
  t.is(read('2'), 'ffffffffbc31ffe0  694c 756e 2078 6576 7372 6f69 206e 2e36\n');
});

coreTest('by symbol, with and without an offset; the usual length is 256', (t, core) => {
  const named = kdumpling('read', core, 'init_uts_ns', '8');
  t.regex(named.stdout, /^ffffffffbcdf9b60 {2}4c 69 6e 75 78 00 00 00 {27}\|Linux\.\.\.\|\n$/);
  // release is the third field of 65 bytes.
  const release = kdumpling('read', core, 'init_uts_ns+0x82', '6');
  t.regex(release.stdout, /^ffffffffbcdf9be2 {2}36 2e 31 2e 30 2d +\|6\.1\.0-\|\n$/);
  const usual = kdumpling('read', core, 'init_uts_ns');
  t.is(usual.stdout.trimEnd().split('\n').at(-1)?.slice(0, 16), 'ffffffffbcdf9c50');
});

coreTest('what is partly there: the bytes, ?? for the rest, the reason, exit status 1', (t, core) => {
  // The region ends 4 bytes before the line does; no other follows in the next 64 KiB but one of 8 bytes.
  const { status, stdout, stderr } = kdumpling('read', core, '0xffffffffbc3200a0', '64');
  t.is(status, 1);
  t.is(
    stdout,
    [
      'ffffffffbc3200a0  30 32 36 2d 31 31 2d 31  36 29 0a 00 ?? ?? ?? ??  |026-11-16)..????|',
      'ffffffffbc3200b0  00 00 00 00 00 00 00 00  ?? ?? ?? ?? ?? ?? ?? ??  |........????????|',
      'ffffffffbc3200c0  32 bytes up to 0xffffffffbc3200e0 cannot be read: no registered region covers it',
      '',
    ].join('\n'),
  );
  t.regex(stderr, /4 bytes at virtual address 0xffffffffbc3200ac cannot be read: no registered region covers it/);
  t.regex(kdumpling('read', core, '0xffffffffbc3200a0', '16', '--unit', '8').stdout, /312d31312d363230 \?{16}\n/);
});

coreTest('zeros by request are told; raw bytes stop where memory does', (t, core) => {
  const filled = kdumpling('read', core, '0xffffffffbc3200a8', '16', '--zero-fill');
  t.is(filled.status, 1);
  t.is(filled.stdout, 'ffffffffbc3200a8  36 29 0a 00 00 00 00 00  00 00 00 00 00 00 00 00  |6)..............|\n');
  t.regex(filled.stderr, /zeros stand for them by request/);
  const raw = kdumpling('read', core, '0xffffffffbc3200a0', '32', '--raw');
  t.is(raw.status, 1);
  t.is(raw.stdout, '026-11-16)\n\0');
  t.regex(raw.stderr, /the output ends before 0xffffffffbc3200ac/);
  const both = kdumpling('read', core, '0xffffffffbc3200a0', '24', '--raw', '--zero-fill');
  t.is(both.stdout, `026-11-16)\n${'\0'.repeat(13)}`);
});

coreTest('--json: the documented value', (t, core) => {
  const { status, stdout } = kdumpling('read', core, '0xffffffffbc3200a8', '8', '--unit', '2', '--json');
  t.is(status, 1);
  const { issues, ...answer } = JSON.parse(stdout) as { issues: { code: string; address: string }[] };
  t.deepEqual(answer, {
    address: '0xffffffffbc3200a8',
    length: 8,
    space: 'virtual',
    unit: 2,
    byteOrder: 'little',
    data: [
      { address: '0xffffffffbc3200a8', length: 4, state: 'data', bytes: '36290a00', words: ['0x2936', '0xa'] },
      { address: '0xffffffffbc3200ac', length: 4, state: 'unregistered', bytes: null, words: null },
    ],
  });
  t.deepEqual(
    issues.map(({ code, address }) => [code, address]),
    [['unreadable', '0xffffffffbc3200ac']],
  );
});

coreTest(
  'raw images: two files as one memory, big-endian words, repeated lines, what no image has',
  (t, _core, folder) => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(a, Buffer.from('0123456789abcdef'.repeat(4)));
    writeFileSync(b, Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]));
    const dump = `${a}@4K,${b}@0x1100`;
    const lines = kdumpling('read', dump, '0x1000', '80', '--physical');
    t.is(lines.status, 1);
    t.is(
      lines.stdout,
      [
        '00001000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|',
        '*',
        '00001040  ?? ?? ?? ?? ?? ?? ?? ??  ?? ?? ?? ?? ?? ?? ?? ??  |????????????????|',
        '',
      ].join('\n'),
    );
    const words = kdumpling('read', dump, '0x1100', '8', '--physical', '--unit', '4', '--set', 'arch.name=s390x');
    t.is(words.stdout, '00001100  01020304 05060708\n');
  },
);

coreTest('wrong calls: exit status 2; what cannot be opened: 3; help has an example', (t, core, folder) => {
  const fails = (status: number, message: RegExp, ...args: string[]) => {
    const result = kdumpling('read', ...args);
    t.is(result.status, status, args.join(' '));
    t.regex(result.stderr, message);
    t.is(result.stdout, '');
  };
  fails(2, /no symbol nothing: it is not among the symbols of vmcoreinfo/, core, 'nothing');
  fails(2, /"0xzz" is no address/, core, '0xzz');
  fails(2, /"-5" is no length|unknown option/, core, BANNER, '-5');
  fails(2, /12 bytes are no whole number of 8-byte words/, core, BANNER, '12', '--unit', '8');
  fails(2, /exclude each other/, core, BANNER, '--raw', '--json');
  fails(2, /pass the end of the address space/, core, '0xffffffffffffffff', '2');
  fails(2, /is no physical address/, core, 'init_uts_ns', '--physical');
  fails(2, /KEY=VALUE/, core, BANNER, '--set', 'nothing');
  fails(2, /is neither little nor big/, core, BANNER, '--set', 'arch.byte_order=middle');
  fails(3, /no such file/, join(folder, 'absent'), BANNER);
  const help = kdumpling('read', '--help');
  t.is(help.status, 0);
  t.regex(help.stdout, /Example:\n {2}kdumpling read vmcore linux_banner 128/);
});
