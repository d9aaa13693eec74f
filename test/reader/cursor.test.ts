// The bounds-checked walk over a record, against DataView and TextDecoder.
import test from 'ava';
import fc from 'fast-check';
import { Cursor, fixedText, InputError } from 'kdumpling/reader';

type Step = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'u64n' | 'word32' | 'word64';
const WIDTH: Record<Step, number> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, u64n: 8, word32: 4, word64: 8 };
const steps = fc.array(fc.constantFrom(...(Object.keys(WIDTH) as Step[])), { maxLength: 20 });

function expected(view: DataView, step: Step, at: number, le: boolean): number | bigint {
  switch (step) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, le);
    case 'u32':
    case 'word32':
      return view.getUint32(at, le);
    case 'i32':
      return view.getInt32(at, le);
    case 'u64':
      return view.getBigUint64(at, le);
    default:
      return Number(view.getBigUint64(at, le));
  }
}

function read(cursor: Cursor, step: Step): number | bigint {
  if (step === 'word32') return cursor.word(32, step);
  if (step === 'word64') return cursor.word(64, step);
  return cursor[step](step);
}

test('every field is what DataView reads there, and what does not fit is refused with its place', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), steps, fc.boolean(), fc.nat(1000), (data, list, le, base) => {
      // The record lies somewhere in a larger buffer: offsets must not leak.
      const room = new Uint8Array(data.length + 16);
      room.set(data, 8);
      const bytes = room.subarray(8, 8 + data.length);
      const view = new DataView(room.buffer, 8, data.length);
      const cursor = new Cursor(bytes, le, { source: 'test', record: 'record', base });
      let at = 0;
      for (const step of list) {
        if (at + WIDTH[step] > data.length) {
          const error = t.throws(() => read(cursor, step), { instanceOf: InputError });
          return error?.place.offset === base + at && cursor.position === at && error.message.includes(step);
        }
        if (read(cursor, step) !== expected(view, step, at, le)) return false;
        at += WIDTH[step];
        if (cursor.position !== at || cursor.left !== data.length - at) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('text ends at the first NUL or at the end of its field', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      const nul = bytes.indexOf(0);
      return fixedText(bytes) === new TextDecoder().decode(nul < 0 ? bytes : bytes.slice(0, nul));
    }),
  );
  const cursor = new Cursor(new TextEncoder().encode('0123456789abcdef'), true, { source: 'test', record: 'region' });
  t.is(cursor.text(16, 'name'), '0123456789abcdef', 'no NUL at all');
  t.throws(() => cursor.text(1, 'name'), { instanceOf: InputError });
});

test('a negative length claims nothing', t => {
  const cursor = new Cursor(new Uint8Array(8), true, { source: 'test', record: 'record' });
  t.throws(() => cursor.take(-1, 'field'), { instanceOf: InputError });
  t.is(cursor.position, 0);
});
