// NT_PRSTATUS against descriptors laid out by hand.
import test from 'ava';
import { InputError } from 'kdumpling/reader';
import { architectureByName } from 'kdumpling/reader/arch';
import { decodePrstatus, encodePrstatus } from 'kdumpling/reader/formats/prstatus';

function layoutOf(name: string) {
  const arch = architectureByName(name);
  if (arch === null) throw new Error(name);
  return arch.prstatus;
}

test('x86_64: pid at 32, r15 at 112, rip the seventeenth', t => {
  const bytes = Buffer.alloc(336);
  bytes.writeInt16LE(11, 12);
  bytes.writeInt32LE(135, 32);
  for (let i = 0; i < 27; i++) bytes.writeBigUInt64LE(0xffff_8880_0000_0000n + BigInt(i), 112 + 8 * i);
  const layout = layoutOf('x86_64');
  t.is(layout.size, 336);
  const status = decodePrstatus(bytes, layout, true);
  t.is(status.pid, 135);
  t.is(status.signal, 11);
  const value = (name: string) => status.registers[layout.registers.findIndex(each => each.name === name)];
  t.is(value('r15'), 0xffff_8880_0000_0000n);
  t.is(value('rip'), 0xffff_8880_0000_0010n);
  t.is(value('rsp'), 0xffff_8880_0000_0013n);
  t.deepEqual(Buffer.from(encodePrstatus(status, layout, true)), bytes);
});

test('i386 and a big-endian kernel: widths and byte order', t => {
  const i386 = Buffer.alloc(144);
  i386.writeInt32LE(-1, 24);
  i386.writeUInt32LE(0xc510_0000, 72 + 4 * 12);
  const layout = layoutOf('i386');
  t.is(layout.size, 144);
  const status = decodePrstatus(i386, layout, true);
  t.is(status.pid, -1);
  t.is(status.registers[layout.registers.findIndex(({ name }) => name === 'eip')], 0xc510_0000n);
  t.deepEqual(Buffer.from(encodePrstatus(status, layout, true)), i386);

  const s390x = layoutOf('s390x');
  const bytes = encodePrstatus({ pid: 7, signal: 0, registers: [0x0123_4567_89ab_cdefn] }, s390x, false);
  t.is(bytes.length, s390x.size);
  t.is(Buffer.from(bytes).readInt32BE(32), 7);
  t.is(Buffer.from(bytes).readBigUInt64BE(112), 0x0123_4567_89ab_cdefn);
});

test('a descriptor that is too short is refused with both lengths', t => {
  const error = t.throws(() => decodePrstatus(new Uint8Array(100), layoutOf('x86_64'), true), {
    instanceOf: InputError,
  });
  t.regex(error?.message ?? '', /has 100 bytes, but pid and registers need 328/);
});
