// Any bytes at all, and any change of good ones: decoders of minidump records give an answer or an InputError, fast.
import test from 'ava';
import fc from 'fast-check';
import { InputError, Issues } from 'kdumpling/reader';
import { decodeKinfo, encodeKinfo, KINFO_LAYOUTS } from 'kdumpling/reader/formats/debug-kinfo';
import { parseDumpInfo } from 'kdumpling/reader/formats/dump-info';
import { decodeGlobalToc, decodeRegionRecords } from 'kdumpling/reader/formats/qcom-minidump';
import { decodeMsmHeader, encodeMsmHeader, isMsmHeader } from 'kdumpling/reader/formats/qcom-msm';
import {
  decodeRawdumpHeader,
  decodeRawdumpSections,
  encodeRawdump,
  parseLoadScript,
} from 'kdumpling/reader/formats/rawdump';
import { checkSmemHeader, decodeSmemPartition, decodeSmemTable, layoutSmem } from 'kdumpling/reader/formats/smem';

const place = { source: 'made', record: 'record' };
const [header, partition, table] = layoutSmem(0x8600_0000, 0x8000, [
  { item: 1, bytes: new Uint8Array(100) },
  { item: 602, bytes: new Uint8Array(336) },
]).pieces;
const rawdump = encodeRawdump(
  {
    major: 0x1000,
    minor: 0,
    flags: 1,
    osData: 0n,
    cpuContext: 0n,
    resetTrigger: 0,
    dumpSize: 4096,
    totalRequired: 4096,
  },
  [{ flags: 1, major: 0x1000, minor: 0, type: 1, offset: 120, size: 10, address: 0x1000, info: 0n, name: 'md_x.BIN' }],
);
const msm = encodeMsmHeader({
  bits: 64,
  littleEndian: true,
  machine: 183,
  shape: 'table-banner',
  slots: 8,
  banner: { text: new TextEncoder().encode('Linux version 5'), vaddr: 0n, paddr: 0 },
  tableAddress: 0n,
  regions: [{ name: 'KX', vaddr: 1n, paddr: 4096, size: 64 }],
});

/** [name, good bytes, what decodes them] */
const DECODERS: readonly (readonly [string, Uint8Array, (bytes: Uint8Array, issues: Issues) => unknown])[] = [
  ['SMEM header', header.bytes, bytes => checkSmemHeader(bytes, place)],
  ['SMEM partition table', table.bytes, (bytes, issues) => decodeSmemTable(bytes, place, issues)],
  ['SMEM partition', partition.bytes, (bytes, issues) => decodeSmemPartition(bytes, 64, place, issues)],
  ['global table', new Uint8Array(336).fill(1), (bytes, issues) => decodeGlobalToc(bytes, place, issues)],
  ['region records', new Uint8Array(400).fill(1), bytes => decodeRegionRecords(bytes, place)],
  [
    'rawdump',
    rawdump,
    (bytes, issues) => {
      const { sectionCount } = decodeRawdumpHeader(bytes, place);
      return decodeRawdumpSections(bytes.subarray(56), sectionCount, place, issues);
    },
  ],
  ['MSM header', msm, (bytes, issues) => [isMsmHeader(bytes), decodeMsmHeader(bytes, place, issues)]],
  ['debug_kinfo', encodeKinfo(KINFO_LAYOUTS[0], { last_uts_release: '6.1.0' }), decodeKinfo],
  ['texts', new TextEncoder().encode('1 0x1000\t10\tx\tmd_x.BIN\n'), parseTexts],
];

function parseTexts(bytes: Uint8Array, issues: Issues): unknown {
  const text = new TextDecoder().decode(bytes);
  return [parseDumpInfo(text, issues), parseLoadScript(text)];
}

/** The answer must say nothing that the bytes cannot hold. */
function survives(decode: (bytes: Uint8Array, issues: Issues) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes, new Issues());
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

for (const [name, good, decode] of DECODERS) {
  test(`${name}: good bytes, random bytes, changed bytes, truncations`, t => {
    t.notThrows(() => decode(good, new Issues()));
    for (let length = 0; length <= Math.min(good.length, 600); length++) survives(decode, good.subarray(0, length));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1200 }), bytes => survives(decode, bytes)));
    const change = fc.tuple(
      fc.nat(good.length - 1),
      fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
      fc.integer({ min: 1, max: 8 }),
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), changes => {
        const bytes = Uint8Array.from(good);
        for (const [at, value, length] of changes) bytes.fill(value, at, at + length);
        survives(decode, bytes);
      }),
      { numRuns: 500 },
    );
  });
}
