// Lines of source that sym prints for addresses of a kernel that KASLR moved: those that addr2line has for the addresses as linked.
import { dirname } from 'node:path';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

interface Row {
  readonly query: string;
  readonly name: string;
  readonly offset: string;
  readonly source: readonly { function: string; file: string; line: number; inlined: boolean }[];
}

/** Functions and places in them. */
const PLACES =
  'schedule+0x28 vfs_read+0x31 do_exit+0x5a panic+0xb4 kfree+0x40 vfs_write+0x78 wake_up_process+0xc'.split(' ');

for (const [name, kernelOffset] of [
  ['x86_64-6.1', 0x3a20_0000n],
  ['x86_64-7.3', 0x2e20_0000n],
  ['arm64-6.1', 0x3142_b020_0000n],
] as const) {
  const dump = realDump(`${name}.elf`);
  const vmlinux = realVmlinux(name);

  realPeerTest(`${name}: sym tells lines and inlined calls`, [dump, vmlinux], ['eu-addr2line'], t => {
    const found = kdumpling('sym', dump, ...PLACES, '--vmlinux', vmlinux, '--json');
    const rows = (JSON.parse(found.stdout) as (Row & { address: string })[]).filter(({ offset }) => offset !== null);
    t.is(rows.length, PLACES.length, found.stderr);
    const linked = rows.map(({ address, offset }) => BigInt(address) + BigInt(offset) - kernelOffset);
    const input = linked.map(address => `0x${address.toString(16)}\n`).join('');
    const { stdout } = peer('eu-addr2line', ['-i', '-a', '-e', vmlinux], [dirname(vmlinux)], input);
    const told = stdout
      .split(/^0x[0-9a-f]+\n/m)
      .slice(1)
      .map(block => block.trim().split('\n'));
    for (const [i, row] of rows.entries()) {
      const lines = row.source.map(({ file, line }) => `${file}:${line}`);
      t.deepEqual(
        lines,
        told[i].map(place => place.replace(/:\d+$/, '').replaceAll('/./', '/')),
        row.query,
      );
      t.is(row.source.at(-1)?.function, row.name.replace(/\.cold$/, ''));
      t.deepEqual(
        row.source.map(({ inlined }) => inlined),
        row.source.map((_, level) => level < row.source.length - 1),
      );
    }
    const text = kdumpling('sym', dump, PLACES[0], '--vmlinux', vmlinux).stdout;
    for (const place of told[0]) t.true(text.includes(place.replace(/:\d+$/, '')), text);
    const without = JSON.parse(kdumpling('sym', dump, PLACES[0], '--json').stdout) as Row[];
    t.deepEqual(without[0].source, []);
  });
}
