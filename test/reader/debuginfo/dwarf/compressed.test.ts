// Compressed sections whose headers or data are damaged.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { InputError, Issues, MemorySource } from 'kdumpling/reader';
import { openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { fixturePath } from './fixtures.js';

/** A copy of a fixture, changed in one section's bytes. */
function changed(name: string, label: string, change: (section: Uint8Array, view: DataView) => void) {
  const bytes = new Uint8Array(readFileSync(fixturePath(name)));
  const section = openElfFile(new MemorySource(bytes)).sections.find(one => one.label === label);
  if (section === undefined) throw new Error(`no ${label}`);
  const part = bytes.subarray(section.offset, section.offset + section.size);
  change(part, new DataView(part.buffer, part.byteOffset, part.length));
  return openElfFile(new MemorySource(bytes, name));
}

for (const [name, what, change, message] of [
  ['x86_64-zlib.elf', 'an unknown kind', (_, view) => view.setUint32(0, 3, true), /ch_type.*known are 1/],
  ['x86_64-zlib.elf', 'a size past belief', (_, view) => view.setBigUint64(8, 1n << 40n, true), /ch_size/],
  ['x86_64-zlib.elf', 'no zlib stream', section => section.fill(0, 24, 26), /no zlib stream/],
  ['x86_64-zstd.elf', 'a size past belief', (_, view) => view.setBigUint64(8, 1n << 33n, true), /ch_size/],
] as [string, string, (section: Uint8Array, view: DataView) => void, RegExp][]) {
  test(`${name} with ${what} is refused`, async t => {
    const file = changed(name, '.debug_info', change);
    await t.throwsAsync(Dwarf.open(file), { instanceOf: InputError, message });
  });
}

for (const name of ['x86_64-zlib.elf', 'x86_64-zstd.elf', 'x86_64-zlib-gnu.elf']) {
  test(`${name} with damaged data: types are missing, and it is told`, async t => {
    const label = name.includes('gnu') ? '.zdebug_info' : '.debug_info';
    const file = changed(name, label, section => section.fill(0xff, 60, 90));
    const issues = new Issues();
    const dwarf = await Dwarf.open(file, { issues });
    if (dwarf === null) return t.fail('no DWARF');
    t.is(new DwarfTypes(dwarf).find('struct', 'everything'), null);
    t.true(issues.count > 0);
  });
}
