// debug_kinfo areas against offsets, written down from the structures of each kernel, and checksums made here.
import test from 'ava';
import { decodeKinfo, encodeKinfo, KINFO_LAYOUTS, kinfoLayout } from 'kdumpling/reader/formats/debug-kinfo';
import { patched } from '../../hex.js';

/** Offsets by layout: those of all kernels with _text_pa, those of Android's, then what follows the common part of each size. */
const KERNEL = {
  _relative_pa: 24,
  _text_pa: 32,
  _stext_pa: 40,
  _etext_pa: 48,
  _sinittext_pa: 56,
  _einittext_pa: 64,
  _end_pa: 72,
  _offsets_pa: 80,
  _names_pa: 88,
  _token_table_pa: 96,
  _token_index_pa: 104,
  _markers_pa: 112,
  _seqs_of_names_pa: 120,
  thread_size: 128,
  _swapper_pg_dir_pa: 132,
  last_uts_release: 140,
};
const ANDROID = {
  _addresses_pa: 24,
  _relative_pa: 32,
  _stext_pa: 40,
  _etext_pa: 48,
  _sinittext_pa: 56,
  _einittext_pa: 64,
  _end_pa: 72,
  _offsets_pa: 80,
  _names_pa: 88,
  _token_table_pa: 96,
  _token_index_pa: 104,
  _markers_pa: 112,
  thread_size: 120,
  _swapper_pg_dir_pa: 124,
  last_uts_release: 132,
  build_info: 196,
};
const OFFSETS: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  216: { ...KERNEL, enabled_modules_tree_lookup: 204, mod_mem_offset: 208, mod_kallsyms_offset: 212 },
  452: ANDROID,
  464: { ...ANDROID, enabled_modules_tree_lookup: 452, mod_mem_offset: 456, mod_kallsyms_offset: 460 },
  468: { ...ANDROID, enabled_modules_tree_lookup: 452, mod_core_layout_offset: 456, mod_kallsyms_offset: 464 },
  472: { ...KERNEL, build_info: 204, enabled_modules_tree_lookup: 460, mod_mem_offset: 464, mod_kallsyms_offset: 468 },
  484: { ...ANDROID, mod_init_layout_offset: 460, mod_kallsyms_offset: 464, module_start_va: 468, module_end_va: 476 },
  504: { ...ANDROID, mod_kallsyms_offset: 460, _seqs_of_names_pa: 464, reserved_0: 472, reserved_3: 496 },
};
const HEAD = {
  enabled_all: 8,
  enabled_base_relative: 9,
  enabled_absolute_percpu: 10,
  enabled_cfi_clang: 11,
  num_syms: 12,
  name_len: 16,
  bit_per_long: 18,
  module_name_len: 20,
  symbol_len: 22,
};

/** XOR of all words from 8 on, one after the other. */
function sum(bytes: Uint8Array, size: number): number {
  let value = 0;
  for (let at = 8; at < size; at += 4) value ^= Buffer.from(bytes).readUInt32LE(at);
  return value >>> 0;
}

/** An area of a size, filled by hand: byte i of it is i, but for the release; magic and checksum as they must be. */
function area(size: number, room = size): Uint8Array {
  const bytes = Buffer.alloc(room);
  for (let i = 8; i < size; i++) bytes[i] = (i * 7) & 0xff;
  const release = OFFSETS[size]['last_uts_release'];
  bytes.fill(0, release, release + 64);
  bytes.write('6.1.0-kinfo', release, 'latin1');
  bytes.writeUInt32LE(0xcceeddff, 0);
  bytes.writeUInt32LE(sum(bytes, size), 4);
  return new Uint8Array(bytes);
}

test('the sizes are those that the structures have', t => {
  t.deepEqual(
    KINFO_LAYOUTS.map(({ size }) => size),
    [216, 452, 464, 468, 472, 484, 504],
  );
});

for (const size of Object.keys(OFFSETS).map(Number)) {
  test(`layout of ${size} bytes: found by its checksum, each field at its place`, t => {
    for (const room of [size, 1024]) {
      const bytes = area(size, room);
      const { kinfo, why } = decodeKinfo(bytes);
      t.is(why, '');
      t.is(kinfo?.layout.size, size);
      t.is(kinfo?.values['last_uts_release'], '6.1.0-kinfo');
      const view = Buffer.from(bytes);
      for (const [name, offset] of Object.entries({ ...HEAD, ...OFFSETS[size] })) {
        const value = kinfo?.values[name];
        if (typeof value === 'string') continue;
        const width = name.endsWith('_pa') || /^(reserved|module_(start|end))/.test(name) ? 8 : 0;
        const wanted =
          width === 8
            ? view.readBigUInt64LE(offset)
            : BigInt(
                offset < 12
                  ? view.readUInt8(offset)
                  : offset >= 16 && offset < 24
                    ? view.readUInt16LE(offset)
                    : view.readUInt32LE(offset),
              );
        t.is(value, wanted, name);
      }
    }
  });

  test(`layout of ${size} bytes: what is encoded has the values at their places`, t => {
    const layout = kinfoLayout(size);
    if (layout === undefined) return t.fail();
    const bytes = Buffer.from(
      encodeKinfo(layout, {
        num_syms: 123456n,
        _offsets_pa: 0x1_0000_1000n,
        bit_per_long: 64n,
        last_uts_release: 'x'.repeat(100),
        mod_kallsyms_offset: 77n,
      }),
    );
    t.is(bytes.length, size);
    t.is(bytes.readUInt32LE(0), 0xcceeddff);
    t.is(bytes.readUInt32LE(4), sum(bytes, size));
    t.is(bytes.readUInt32LE(12), 123456);
    t.is(bytes.readUInt16LE(18), 64);
    t.is(bytes.readBigUInt64LE(80), 0x1_0000_1000n);
    const release = OFFSETS[size]['last_uts_release'];
    t.is(bytes.toString('latin1', release, release + 64), `${'x'.repeat(63)}\0`);
    const kallsyms = OFFSETS[size]['mod_kallsyms_offset'];
    if (kallsyms !== undefined) t.is(bytes.readUInt32LE(kallsyms), 77);
    return t.pass();
  });
}

test('one wrong byte anywhere is no area', t => {
  const bytes = area(216);
  for (let at = 0; at < bytes.length; at++) {
    const { kinfo } = decodeKinfo(patched(bytes, at, Uint8Array.of(bytes[at] ^ 0x10)));
    t.is(kinfo, null, `byte ${at}`);
  }
  t.is(decodeKinfo(new Uint8Array(3)).kinfo, null);
  t.regex(decodeKinfo(new Uint8Array(600)).why, /magic/);
  t.regex(decodeKinfo(patched(bytes, 9, Uint8Array.of(0xaa))).why, /checksum/);
});

test('a sum that fits by chance without a release is no area', t => {
  const bytes = Buffer.alloc(504);
  bytes.writeUInt32LE(0xcceeddff, 0);
  t.regex(decodeKinfo(bytes).why, /no kernel release/);
});

test('layouts that differ in zeros alone are told', t => {
  const layout = kinfoLayout(452);
  if (layout === undefined) return t.fail();
  const bytes = new Uint8Array(1024);
  bytes.set(encodeKinfo(layout, { last_uts_release: '5.10.1', num_syms: 5n }));
  const { kinfo } = decodeKinfo(bytes);
  t.is(kinfo?.layout.size, 452);
  return t.deepEqual(kinfo?.alsoFits, [464, 468, 484, 504]);
});
