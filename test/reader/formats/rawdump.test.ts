// The rawdump container, load.cmm and dump_info.txt against bytes and lines written down by hand.
import test from 'ava';
import { Parser } from 'binary-parser';
import { InputError, Issues } from 'kdumpling/reader';
import { formatDumpInfo, parseDumpInfo } from 'kdumpling/reader/formats/dump-info';
import {
  decodeRawdumpHeader,
  decodeRawdumpSections,
  encodeRawdump,
  formatLoadScript,
  isRawdump,
  parseLoadScript,
  rawdumpRefusal,
} from 'kdumpling/reader/formats/rawdump';
import { hex, patched } from '../../hex.js';

const place = { source: 'rawdump.img', record: 'rawdump header' };
const HEADER = hex(`"Raw_Dmp!" 0010 0000 01000000 8877665544332211 0000000000000000 02000000
  0010000000000000 0020000001000000 02000000`);
const SECTIONS = hex(`
  01000000 0010 0000 01000000 b800000000000000 4000000000000000 0000008000000000 0100000000000000 "md_KELF1.BIN" *8
  00000000 0010 0000 03000000 f800000000000000 2000000000000000 0000000000000000 0000000000000000 "twenty_letters_name!"`);

test('header and sections', t => {
  t.is(HEADER.length, 56);
  t.true(isRawdump(HEADER));
  const header = decodeRawdumpHeader(HEADER, place);
  t.deepEqual(header, {
    major: 0x1000,
    minor: 0,
    flags: 1,
    osData: 0x1122334455667788n,
    cpuContext: 0n,
    resetTrigger: 2,
    dumpSize: 0x1000,
    totalRequired: 0x1_0000_2000,
    sectionCount: 2,
  });
  const issues = new Issues();
  const sections = decodeRawdumpSections(SECTIONS, 2, place, issues);
  t.deepEqual(issues.list(), []);
  t.deepEqual(
    sections.map(({ type, offset, size, address, info, name }) => [type, offset, size, address, info, name]),
    [
      [1, 0xb8, 0x40, 0x80000000, 1n, 'md_KELF1.BIN'],
      [3, 0xf8, 0x20, 0, 0n, 'twenty_letters_name!'],
    ],
  );
});

test('flags that forbid reading, each with its sentence', t => {
  const flags = (value: string) => rawdumpRefusal(decodeRawdumpHeader(patched(HEADER, 12, hex(value)), place));
  t.is(flags('01000000'), null);
  t.is(flags('09000000'), null);
  t.regex(flags('02000000') ?? '', /too small for the dump \(4294975488 bytes were needed\)/);
  t.regex(flags('05000000') ?? '', /protected/);
  t.regex(flags('00000000') ?? '', /not marked valid/);
});

test('claims are bounded by what is there', t => {
  const issues = new Issues();
  t.is(decodeRawdumpSections(SECTIONS, 0xffffffff, place, issues).length, 2);
  t.true(issues.has('rawdump-sections'));
  t.throws(() => decodeRawdumpHeader(HEADER.subarray(0, 55), place), { instanceOf: InputError });
  t.throws(() => decodeRawdumpHeader(patched(HEADER, 0, hex('"X"')), place), { instanceOf: InputError });
});

test('what is encoded reads back through an independent decoder', t => {
  const issues = new Issues();
  const bytes = encodeRawdump(decodeRawdumpHeader(HEADER, place), decodeRawdumpSections(SECTIONS, 2, place, issues));
  t.deepEqual(bytes, Uint8Array.from([...HEADER, ...SECTIONS]));
  const section = new Parser()
    .endianness('little')
    .uint32('flags')
    .uint32('version')
    .uint32('type')
    .uint64('offset')
    .uint64('size')
    .uint64('address')
    .uint64('info')
    .string('name', { length: 20, stripNull: true });
  const file = new Parser()
    .endianness('little')
    .string('signature', { length: 8 })
    .seek(44)
    .uint32('count')
    .array('sections', { type: section, length: 'count' });
  const decoded = file.parse(bytes) as { signature: string; sections: Record<string, unknown>[] };
  t.is(decoded.signature, 'Raw_Dmp!');
  t.deepEqual(
    decoded.sections.map(({ name, address, version }) => [name, address, version]),
    [
      ['md_KELF1.BIN', 0x80000000n, 0x1000],
      ['twenty_letters_name!', 0n, 0x1000],
    ],
  );
});

test('load.cmm: the load lines among all others', t => {
  const script = [
    'title "minidump"',
    'd.load.binary md_KELF1.BIN 0x80001000 /noclear',
    'if OS.FILE(x)',
    '  Data.LOAD.Binary "md_with blank.BIN" A:0x1_000 /noclear',
    '\tD.LOAD.B md_K2.BIN 80002000 /noclear\r',
    'd.load.binary md_K3.BIN zzz /noclear',
    'd.load.binary md_K4.BIN 0xffffffffffffffff /noclear',
    'd.load.elf x 0x1',
  ].join('\n');
  t.deepEqual(parseLoadScript(script), [
    { file: 'md_KELF1.BIN', address: 0x80001000 },
    { file: 'md_K2.BIN', address: 0x80002000 },
  ]);
  t.is(
    formatLoadScript([{ file: 'md_KELF1.BIN', address: 0x80001000 }]),
    'd.load.binary md_KELF1.BIN 0x80001000 /noclear\n',
  );
});

test('dump_info.txt: second word, third word and last', t => {
  const text =
    '1 0x0000000080001000\t           15500\tKELF\tmd_KELF1.BIN\r\n' +
    '\n' +
    '1 0x0000000146680000 262144 OCIMEM region with blanks OCIMEM.BIN\n' +
    'Version 2\n' +
    '1 0xzz 12 a b\n' +
    '1 0x10 0x12 a b\n';
  const issues = new Issues();
  t.deepEqual(parseDumpInfo(text, issues), [
    { preference: '1', address: 0x80001000, size: 15500, description: 'KELF', file: 'md_KELF1.BIN' },
    {
      preference: '1',
      address: 0x146680000,
      size: 262144,
      description: 'OCIMEM region with blanks',
      file: 'OCIMEM.BIN',
    },
  ]);
  t.deepEqual(
    issues.list().map(({ message }) => /^line (\d+)/.exec(message)?.[1]),
    ['4', '5', '6'],
  );
  const [line] = formatDumpInfo([
    { preference: '1', address: 0x80001000, size: 15500, description: 'KELF', file: 'md_KELF1.BIN' },
  ]).split('\n');
  t.is(line, '1 0x0000000080001000\t           15500\tKELF\tmd_KELF1.BIN');
});
