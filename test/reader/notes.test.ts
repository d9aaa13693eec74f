// ELF notes: what is encoded is read back by a walk of another kind, and damaged notes lose nothing that came before the damage.
import test from 'ava';
import { Parser } from 'binary-parser/dist/binary_parser.js';
import fc from 'fast-check';
import { Issues } from 'kdumpling/reader';
import { decodeNotes, encodeNotes, type Note, noteSize } from 'kdumpling/reader/formats/notes';

interface ParsedNote {
  namesz: number;
  descsz: number;
  type: number;
  name: Uint8Array;
  desc: Uint8Array;
}

/** The layout of the gABI in binary-parser's words. */
function noteParser(littleEndian: boolean): Parser {
  const padding = (field: 'namesz' | 'descsz') =>
    function (this: unknown): number {
      return -(this as ParsedNote)[field] & 3;
    };
  const note = new Parser()
    .endianness(littleEndian ? 'little' : 'big')
    .uint32('namesz')
    .uint32('descsz')
    .uint32('type')
    .buffer('name', { length: 'namesz' })
    .seek(padding('namesz') as unknown as number)
    .buffer('desc', { length: 'descsz' })
    .seek(padding('descsz') as unknown as number);
  return new Parser().endianness('little').array('notes', { type: note, readUntil: 'eof' });
}

const note: fc.Arbitrary<Note> = fc.record({
  name: fc.oneof(fc.stringMatching(/^[A-Z]{1,12}$/), fc.constant('Gerät\ufffd')),
  type: fc.nat(0xffffffff),
  descriptor: fc.uint8Array({ maxLength: 50 }),
});
const notes = fc.array(note, { maxLength: 8 });
const plain = (list: readonly Note[]) =>
  list.map(({ name, type, descriptor }) => ({ name, type, descriptor: [...descriptor] }));

test('what is encoded is what another parser reads, and what we read', t => {
  fc.assert(
    fc.property(notes, fc.boolean(), (list, littleEndian) => {
      const bytes = encodeNotes(list, littleEndian);
      t.is(
        bytes.length,
        list.reduce((sum, each) => sum + noteSize(each.name, each.descriptor.length), 0),
      );
      const issues = new Issues();
      t.deepEqual(plain(decodeNotes(bytes, littleEndian, issues)), plain(list));
      t.is(issues.count, 0);
      const parsed = list.length === 0 ? [] : (noteParser(littleEndian).parse(bytes) as { notes: ParsedNote[] }).notes;
      const theirs = parsed.map(({ name, type, desc }) => ({
        name: Buffer.from(name.subarray(0, -1)).toString('utf8'),
        type,
        descriptor: [...desc],
      }));
      t.deepEqual(theirs, plain(list));
    }),
  );
});

test('runs of zeros between notes are passed over', t => {
  fc.assert(
    fc.property(
      notes,
      fc.boolean(),
      fc.array(fc.nat(5), { minLength: 9, maxLength: 9 }),
      (list, littleEndian, gaps) => {
        const pieces = list.map((each, i) => [new Uint8Array(gaps[i] * 4), encodeNotes([each], littleEndian)]);
        const bytes = Uint8Array.from([...pieces, [new Uint8Array(gaps[8] * 4)]].flat().flatMap(piece => [...piece]));
        const issues = new Issues();
        t.deepEqual(plain(decodeNotes(bytes, littleEndian, issues)), plain(list));
        t.is(issues.count, 0);
      },
    ),
  );
});

test('a cut loses the note that it hits and those behind it, and is told', t => {
  fc.assert(
    fc.property(
      fc.array(note, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      fc.nat(1000),
      (list, littleEndian, cut) => {
        const bytes = encodeNotes(list, littleEndian);
        const length = cut % bytes.length;
        const issues = new Issues();
        const found = decodeNotes(bytes.subarray(0, length), littleEndian, issues, 0x1000);
        let end = 0;
        const whole = list.filter(({ name, descriptor }) => {
          // The padding behind a descriptor may be cut off.
          const fits = end + noteSize(name, 0) + descriptor.length <= length;
          end += noteSize(name, descriptor.length);
          return fits;
        });
        t.deepEqual(plain(found), plain(list.slice(0, whole.length)));
        for (const { message, address } of issues) {
          t.regex(message, /file offset 0x[0-9a-f]+/);
          t.true(Number(address) >= 0x1000 && Number(address) < 0x1000 + length);
        }
        if (found.length < list.length && length - starts(list)[found.length] >= 12) t.is(issues.count, 1);
      },
    ),
  );
});

function starts(list: readonly Note[]): number[] {
  let at = 0;
  return list.map(({ name, descriptor }) => {
    const start = at;
    at += noteSize(name, descriptor.length);
    return start;
  });
}

test('claims of 4 GiB and more are told, not believed', t => {
  for (const [nameSize, descriptorSize] of [
    [0xffffffff, 0],
    [1, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x7fffffff, 1],
    [0xfffffffc, 4],
  ]) {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, nameSize, true);
    view.setUint32(4, descriptorSize, true);
    view.setUint32(8, 1, true);
    const issues = new Issues();
    t.deepEqual(decodeNotes(bytes, true, issues), []);
    t.deepEqual(
      issues.list().map(issue => issue.code),
      ['note-cut-short'],
    );
  }
});
