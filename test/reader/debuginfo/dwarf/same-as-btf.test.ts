// Every type that a kernel's BTF names has the same members, offsets and sizes in its DWARF: two encodings by two programs, read by two readers.
import { Issues } from 'kdumpling/reader';
import { btfOfElf, type NamedKind, openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource } from 'kdumpling/reader/node';
import { realTest, realVmlinux } from '../../../real.js';
import { bodyOf } from './look.js';

const KINDS: readonly NamedKind[] = ['struct', 'union', 'enum', 'typedef', 'base'];
/** Of types that one line declares with several meanings DWARF's index keeps one. */
const MOST_LOST = 2;

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  realTest(`all types of ${name} are the same by BTF and by DWARF`, [realVmlinux(name)], async t => {
    const file = openElfFile(new FileSource(realVmlinux(name)));
    const issues = new Issues();
    const btf = btfOfElf(file, issues);
    const dwarf = await Dwarf.open(file, { issues });
    if (btf === null || dwarf === null) return t.fail('BTF and DWARF are needed');
    const types = new DwarfTypes(dwarf);
    let compared = 0;
    const lost: string[] = [];
    for (const kind of KINDS) {
      for (const typeName of btf.names(kind)) {
        const expected = new Set(btf.all(kind, typeName).map(type => bodyOf(type)));
        const found = new Set(types.all(kind, typeName).map(type => bodyOf(type)));
        compared++;
        const first = types.find(kind, typeName);
        if (first === null || !found.has(bodyOf(first))) t.fail(`${kind} ${typeName} is not found`);
        for (const body of found) if (!expected.has(body)) t.fail(`${kind} ${typeName}: only DWARF has ${body}`);
        if (found.size < expected.size) lost.push(typeName);
      }
      for (const typeName of types.names(kind)) {
        if (btf.find(kind, typeName) === null) t.fail(`only DWARF has ${kind} ${typeName}`);
      }
    }
    t.true(compared > 10_000, `${compared} types`);
    t.true(lost.length <= MOST_LOST, `lost: ${lost.join(', ')}`);
    t.deepEqual(issues.list(), []);
  });
}
