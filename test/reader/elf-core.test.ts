// The layout of ELF cores, read back by other decoders: elf-tools' record classes through a stream that reads 64-bit words exactly, and readelf.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { InputError } from 'kdumpling/reader';
import { NO_PADDR, PF_R, PF_W, PF_X } from 'kdumpling/reader/formats/elf';
import { type CoreDescription, type CoreLayout, type CoreSegment, layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes } from 'kdumpling/reader/formats/notes';
import { dirSync } from 'tmp-promise';
import { peer, peerTest } from '../peer.js';

interface ElfToolsRecord {
  readonly [field: string]: unknown;
}
interface ElfToolsClass {
  parse(stream: WordStream, header?: ElfToolsRecord): ElfToolsRecord;
}
const require = createRequire(import.meta.url);
const ElfToolsHeader = require('elf-tools/lib/elf_header.js') as ElfToolsClass;
const ElfToolsProgramHeader = require('elf-tools/lib/program_header.js') as ElfToolsClass;

/** What elf-tools' records read from: its own stream loses bits of 64-bit words. */
class WordStream {
  at = 0;
  readonly #view: DataView;
  readonly #wide: boolean;
  readonly #le: boolean;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#wide = bytes[4] === 2;
    this.#le = bytes[5] === 1;
  }

  readBuf(length: number): Uint8Array {
    this.at += length;
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.at - length, length);
  }

  /** A word of 1, 2 or 4 bytes as a number; without a size the class's own, as a bigint. */
  readWord(size?: number): number | bigint {
    const at = this.at;
    this.at += size ?? (this.#wide ? 8 : 4);
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, this.#le);
    if (size === 4) return this.#view.getUint32(at, this.#le);
    return this.#wide ? this.#view.getBigUint64(at, this.#le) : BigInt(this.#view.getUint32(at, this.#le));
  }
}

const FLAGS: readonly (readonly [number, string])[] = [
  [PF_X, 'execute'],
  [PF_W, 'write'],
  [PF_R, 'read'],
];
const word = (bits: 32 | 64) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });

function segments(bits: 32 | 64): fc.Arbitrary<CoreSegment[]> {
  const segment = fc.record({
    vaddr: word(bits),
    paddr: fc.oneof(fc.constant(NO_PADDR), fc.nat(bits === 64 ? 2 ** 52 : 0xfffffff0)),
    filesz: fc.nat(100_000),
    memsz: fc.nat(bits === 64 ? 2 ** 52 : 0xffffffff),
    flags: fc.integer({ min: 1, max: 7 }),
    align: fc.constantFrom(0, 1, 4096),
    share: fc.boolean(),
  });
  return fc.array(segment, { maxLength: 10 }).map(list =>
    list.map(({ share, ...rest }, i) => {
      // Only a payload that is not itself shared, and is as long, is shared.
      const filesz = share && i > 0 ? list[0].filesz : rest.filesz;
      return { ...rest, filesz, ...(share && i > 0 ? { sharesPayloadOf: 0 } : {}) };
    }),
  );
}

const cores: fc.Arbitrary<CoreDescription> = fc.constantFrom<32 | 64>(32, 64).chain(bits =>
  fc.record({
    bits: fc.constant(bits),
    littleEndian: fc.boolean(),
    machine: fc.constantFrom(3, 20, 40, 62),
    flags: fc.nat(0xffffffff),
    entry: word(bits),
    notesSize: fc.oneof(fc.constant(0), fc.nat(5000)),
    segments: segments(bits),
    payloadAlign: fc.constantFrom(1, 4, 4096),
  }),
);

const unsigned = (value: number, bits: 32 | 64): bigint => BigInt.asUintN(bits, BigInt(value));

/** What elf-tools says of a program header that the description does not, or null. */
function differs(found: ElfToolsRecord, segment: CoreSegment, offset: number, bits: 32 | 64): boolean {
  const flags = String(found['flags']);
  return (
    found['type'] !== 'load' ||
    found['vaddr'] !== segment.vaddr ||
    found['paddr'] !== unsigned(segment.paddr, bits) ||
    found['filesz'] !== BigInt(segment.filesz) ||
    found['memsz'] !== BigInt(segment.memsz) ||
    found['align'] !== BigInt(segment.align) ||
    found['offset'] !== BigInt(offset) ||
    FLAGS.some(([bit, name]) => flags.includes(name) !== ((segment.flags & bit) !== 0))
  );
}

function payloadsAreApart(core: CoreDescription, layout: CoreLayout): boolean {
  let end = layout.payloadOffset;
  for (const [i, segment] of core.segments.entries()) {
    if (segment.sharesPayloadOf !== undefined) {
      if (layout.offsets[i] !== layout.offsets[segment.sharesPayloadOf]) return false;
      continue;
    }
    if (layout.offsets[i] < end || layout.offsets[i] % (core.payloadAlign ?? 1) !== 0) return false;
    end = layout.offsets[i] + segment.filesz;
  }
  return layout.size === end;
}

test('elf-tools reads back what was described; payloads lie apart, aligned, behind the notes', t => {
  fc.assert(
    fc.property(cores, core => {
      const layout = layoutCore(core);
      const stream = new WordStream(layout.header);
      const header = ElfToolsHeader.parse(stream);
      const notes = core.notesSize > 0 ? 1 : 0;
      t.is(header['class'], String(core.bits));
      t.is(header['endian'], core.littleEndian ? 'lsb' : 'msb');
      t.is(header['type'], 'core');
      t.deepEqual(
        [header['phnum'], header['entry'], header['flags']],
        [core.segments.length + notes, core.entry, core.flags],
      );
      stream.at = Number(header['phoff']);
      if (notes === 1) {
        const note = ElfToolsProgramHeader.parse(stream, header);
        t.deepEqual(
          [note['type'], note['offset'], note['filesz']],
          ['note', BigInt(layout.notesOffset), BigInt(core.notesSize)],
        );
      }
      for (const [i, segment] of core.segments.entries()) {
        if (differs(ElfToolsProgramHeader.parse(stream, header), segment, layout.offsets[i], core.bits)) return false;
      }
      if (stream.at !== layout.header.length || layout.notesOffset < stream.at) return false;
      return layout.payloadOffset >= layout.notesOffset + core.notesSize && payloadsAreApart(core, layout);
    }),
    { numRuns: 300 },
  );
});

const small = (count: number): CoreSegment[] =>
  Array.from({ length: count }, (_, i) => ({
    vaddr: BigInt(i * 0x1000),
    paddr: i * 0x1000,
    filesz: 4,
    memsz: 4,
    flags: 6,
    align: 0,
  }));

test('fixed places that overlap what precedes them are refused', t => {
  const core = { bits: 64, littleEndian: true, machine: 62, notesSize: 100, segments: small(3) } as const;
  t.throws(() => layoutCore({ ...core, notesOffset: 64 + 56 * 4 - 1 }), { instanceOf: RangeError });
  t.throws(() => layoutCore({ ...core, notesOffset: 1000, payloadOffset: 1099 }), { instanceOf: RangeError });
  t.is(layoutCore({ ...core, notesOffset: 1000, payloadOffset: 1100 }).offsets[0], 1100);
});

test('a 32-bit core past 4 GiB is refused', t => {
  const segment = { vaddr: 0n, paddr: 0, filesz: 0x8000_0000, memsz: 0x8000_0000, flags: 6, align: 0 };
  const core = { bits: 32, littleEndian: true, machine: 3, notesSize: 0, segments: [segment, segment] } as const;
  t.throws(() => layoutCore(core), { instanceOf: InputError, message: /4 GiB/ });
});

peerTest('readelf lists every header of every kind, PN_XNUM included, without a warning', ['readelf'], t => {
  const folder = dirSync({ unsafeCleanup: true });
  t.teardown(() => folder.removeCallback());
  for (const bits of [32, 64] as const) {
    for (const littleEndian of [true, false]) {
      for (const count of [1, 0xfffd, 0xfffe, 0xffff, 70_000]) {
        const notes = encodeNotes([{ name: 'VMCOREINFO', type: 0, descriptor: new Uint8Array(11) }], littleEndian);
        const layout = layoutCore({
          bits,
          littleEndian,
          machine: bits === 64 ? 62 : 3,
          notesSize: notes.length,
          segments: small(count),
        });
        const bytes = new Uint8Array(layout.size);
        bytes.set(layout.header);
        bytes.set(notes, layout.notesOffset);
        const path = join(folder.name, `core-${bits}-${littleEndian}-${count}`);
        writeFileSync(path, bytes);
        const { stdout, stderr } = peer('readelf', ['-lnW', path], [folder.name]);
        t.is(stderr, '', `${bits} ${littleEndian} ${count}`);
        t.is(stdout.match(/^ {2}LOAD /gm)?.length, count);
        t.regex(stdout, /VMCOREINFO\s+0x0000000b/);
        const last = (count - 1) * 0x1000;
        t.regex(
          stdout,
          new RegExp(
            `LOAD\\s+0x0*${layout.offsets[count - 1].toString(16)} 0x0*${last.toString(16)} 0x0*${last.toString(16)} `,
          ),
        );
      }
    }
  }
});
