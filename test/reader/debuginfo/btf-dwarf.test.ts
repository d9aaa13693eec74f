// Every layout from BTF against those that drgn reads from the same vmlinux's DWARF: sizes, offsets, bitfields.
import { dirname, join } from 'node:path';
import { Issues } from 'kdumpling/reader';
import { btfOfElf, type CompoundType, openElfFile } from 'kdumpling/reader/debuginfo';
import { FileSource } from 'kdumpling/reader/node';
import { peer } from '../../peer.js';
import { realVmlinux } from '../../real.js';
import { realPeerTest } from '../../real-peer.js';

const SCRIPT = join(import.meta.dirname, '../../../../test/peers/drgn-structs.py');
interface Told {
  readonly name: string;
  readonly size: number | null;
  readonly members: readonly (readonly [string, number, number])[];
}

const shape = (type: CompoundType): string =>
  JSON.stringify([type.size, type.members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize])]);

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const vmlinux = realVmlinux(name);
  realPeerTest(`${name}: every struct and union is as DWARF has it`, [vmlinux], ['drgn'], t => {
    const source = new FileSource(vmlinux);
    const types = btfOfElf(openElfFile(source), new Issues());
    source.close();
    if (types === null) {
      t.fail('no .BTF');
      return;
    }
    const asked = (['struct', 'union'] as const).flatMap(kind => [...types.names(kind)].map(one => `${kind} ${one}`));
    const { stdout, stderr } = peer('python3', [SCRIPT, vmlinux], [dirname(vmlinux)], `${asked.join('\n')}\n`);
    const lines = stdout.split('\n').filter(line => line !== '');
    t.is(lines.length, asked.length, stderr);
    let compared = 0;
    for (const line of lines) {
      const told = JSON.parse(line) as Told;
      if (told.size === null) continue;
      const [kind, label] = told.name.split(' ') as ['struct' | 'union', string];
      const shapes = types.all(kind, label).map(shape);
      const expected = JSON.stringify([told.size, told.members]);
      if (!shapes.includes(expected)) t.fail(`${told.name}: DWARF ${expected}, BTF ${shapes.join(' or ')}`);
      compared++;
    }
    t.log(`${compared} of ${asked.length}`);
    t.true(compared > asked.length * 0.95, 'drgn knows them too');
  });
}
