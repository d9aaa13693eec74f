// Qualcomm's tables against bytes written down from minidump_private.h, and what is encoded against an independent decoder.
import test from 'ava';
import { Parser } from 'binary-parser';
import { InputError, Issues } from 'kdumpling/reader';
import {
  blobFileName,
  decodeGlobalToc,
  decodeRegionRecords,
  encodeGlobalToc,
  encodeRegionRecords,
  MINIDUMP_MAGIC,
  magicName,
  parseBlobFileName,
  safeFileName,
} from 'kdumpling/reader/formats/qcom-minidump';
import { hex } from '../../hex.js';

const place = { source: 'ram', record: 'minidump table', base: 0x100 };

/** Magics lie in memory with their letters reversed. */
const APSS = '01000000 "LBNE" "ENOD" "RN" 0000 03000000 *4 0010000001000000';
const TOC = hex(`01000000 01000000 "LBNE" *4 ${APSS} *64 00000000 "LBSD" "ENON" "SEY" 00 ffffffff *4 ffffffffffffffff`);

test('the global table: as many subsystems as the item holds', t => {
  const issues = new Issues();
  const toc = decodeGlobalToc(TOC, place, issues);
  t.deepEqual(issues.list(), []);
  t.is(toc.enabled, MINIDUMP_MAGIC.ENBL);
  t.is(toc.subsystems.length, 4);
  t.deepEqual(toc.subsystems[0], {
    status: 1,
    enabled: MINIDUMP_MAGIC.ENBL,
    encryptionStatus: MINIDUMP_MAGIC.DONE,
    encryptionRequired: MINIDUMP_MAGIC.NR,
    regionCount: 3,
    regionsBase: 0x1_0000_1000,
  });
  t.is(magicName(toc.subsystems[3].enabled), 'DSBL');
  t.is(magicName(toc.subsystems[3].encryptionRequired), 'YES');
  t.is(toc.subsystems[3].regionCount, 0xffffffff);
  t.is(magicName(0x12345678), '0x12345678');
});

test('a table that is not ready, of another revision, or cut short', t => {
  const issues = new Issues();
  t.is(decodeGlobalToc(hex('00000000 02000000 *8 *31'), place, issues).subsystems.length, 0);
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [
      ['minidump-not-ready', 0x100],
      ['minidump-revision', 0x104],
    ],
  );
  t.throws(() => decodeGlobalToc(hex('01000000 01000000'), place, issues), { instanceOf: InputError });
});

test('region records: a name need not end in NUL, a value may be anything', t => {
  const records = decodeRegionRecords(
    hex(`"Kprb_desc" *7 17000000 "ILAV" 0080402000000000 3400000000000000
         "0123456789abcdef" 00000000 "AVNI" ffffffffffffff7f ffffffffffffffff
         "cut short"`),
    place,
  );
  t.is(records.length, 2);
  t.deepEqual(records[0], {
    name: 'Kprb_desc',
    seqNum: 23,
    valid: MINIDUMP_MAGIC.VALI,
    address: 0x20408000,
    size: 52,
  });
  t.is(records[1].name, '0123456789abcdef');
  t.is(records[1].valid, MINIDUMP_MAGIC.INVA);
  t.true(records[1].address >= 2 ** 62);
});

test('what is encoded reads back through an independent decoder', t => {
  const record = { name: 'KELF', seqNum: 1, valid: MINIDUMP_MAGIC.VALI, address: 0x1_8000_0000, size: 15500 };
  const region = new Parser()
    .endianness('little')
    .string('name', { length: 16 })
    .uint32('seq')
    .string('valid', { length: 4 })
    .uint64('address')
    .uint64('size');
  const table = new Parser().endianness('little').array('regions', { type: region, length: 2 });
  const bytes = encodeRegionRecords([record, { ...record, name: 'seventeen letters', seqNum: 2 }]);
  t.is(bytes.length, 80);
  const { regions } = table.parse(bytes) as { regions: Record<string, unknown>[] };
  t.is(regions[0]['name'], `KELF${'\0'.repeat(12)}`);
  t.is(regions[0]['valid'], 'ILAV');
  t.is(regions[0]['address'], 0x1_8000_0000n);
  t.is(regions[0]['size'], 15500n);
  t.is(regions[1]['name'], 'seventeen letter');

  const none = { status: 0, enabled: 0, encryptionStatus: 0, encryptionRequired: 0, regionCount: 0, regionsBase: 0 };
  const toc = encodeGlobalToc({
    status: 1,
    revision: 1,
    enabled: MINIDUMP_MAGIC.ENBL,
    subsystems: [
      {
        status: 1,
        enabled: MINIDUMP_MAGIC.ENBL,
        encryptionStatus: MINIDUMP_MAGIC.DONE,
        encryptionRequired: MINIDUMP_MAGIC.NR,
        regionCount: 3,
        regionsBase: 0x1_0000_1000,
      },
      ...Array.from({ length: 9 }, () => none),
    ],
  });
  t.is(toc.length, 0x150);
  t.deepEqual(toc.subarray(0, 48), TOC.subarray(0, 48));
});

test('names of blobs', t => {
  t.is(blobFileName('Kprb_desc', 23), 'md_Kprb_desc23.BIN');
  t.is(blobFileName('KELF_HDR', 0), 'md_KELF_HDR.BIN');
  t.deepEqual(parseBlobFileName('md_Kprb_desc23.BIN'), { vmid: null, stem: 'Kprb_desc23' });
  t.deepEqual(parseBlobFileName('md_2D_KVM.bin'), { vmid: '2d', stem: 'KVM' });
  t.is(parseBlobFileName('dump_info.txt'), null);
  t.is(safeFileName('../../etc/passwd'), '_.._.._etc_passwd');
  t.is(safeFileName('a/b\\c:d\0e\nf'), 'a_b_c_d_e_f');
  t.is(safeFileName(''), '_');
  t.is(safeFileName('.hidden'), '_.hidden');
});
