// The judge itself: a refusal needs record, offset and field, or says what is not there at all; words in its sentence do not excuse it.
import test from 'ava';
import { InputError, type InputErrorPlace, MemoryFault } from 'kdumpling/reader';
import { wrongRefusal } from './judge.js';

const whole = { source: 'core', record: 'ELF header', offset: 16, field: 'e_type' };

for (const [what, place, refusal] of [
  ['a field', whole, null],
  ['a field at 0', { ...whole, offset: 0 }, null],
  ['nothing there', { source: 'folder', nowhere: 'absent' }, null],
  ['an output', { source: 'ELF output', nowhere: 'output' }, null],
  ['no fault of a field', { source: 'core', nowhere: 'input' }, /blames no field/],
  ['no fault of the input', { source: 'core', nowhere: 'system' }, /blames no field/],
  ['a record without name', { ...whole, record: '' }, /lacks/],
  ['a field without name', { ...whole, field: '' }, /lacks/],
  ['an offset that is none', { ...whole, offset: Number.NaN }, /its offset is NaN/],
  ['a source with folders', { ...whole, source: 'a/core' }, /its source/],
] as const satisfies readonly (readonly [string, InputErrorPlace, RegExp | null])[]) {
  test(what, t => {
    const wrong = wrongRefusal(new InputError(place, 'there is none of it and no more'));
    if (refusal === null) t.is(wrong, null);
    else t.regex(wrong ?? '', refusal);
  });
}

test('a fault of memory is a refusal with address, space and reason; an accident is none', t => {
  t.is(wrongRefusal(new MemoryFault('physical', 0x1000, 8, 'hole')), null);
  t.regex(wrongRefusal(new TypeError('x is not a function')) ?? '', /TypeError/);
});
