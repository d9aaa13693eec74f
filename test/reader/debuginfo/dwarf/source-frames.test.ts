// Lines, functions and inlined calls at addresses, against the addr2line of elfutils and of binutils: each has its own slips, so that an answer must be that of one of them.
import { basename, dirname } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ElfFile, openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, type SourceFrame } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource } from 'kdumpling/reader/node';
import { type PeerName, peer, peerTest } from '../../../peer.js';
import { realVmlinux } from '../../../real.js';
import { realPeerTest } from '../../../real-peer.js';
import { fixturePath, openFixture } from './fixtures.js';

const SHF_EXECINSTR = 4;

/** Addresses in the sections with code, the same ones in every run. */
function addressesIn(file: ElfFile, count: number): bigint[] {
  const code = file.sections.filter(({ flags, size }) => (flags & SHF_EXECINSTR) !== 0 && size > 0);
  const total = code.reduce((sum, { size }) => sum + size, 0);
  const addresses: bigint[] = [];
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let at = Math.floor((state / 2 ** 32) * total);
    for (const { addr, size } of code) {
      if (at < size) {
        addresses.push(addr + BigInt(at));
        break;
      }
      at -= size;
    }
  }
  return addresses;
}

const PEERS: readonly PeerName[] = ['eu-addr2line', 'addr2line'];

/** `FUNCTION FILE:LINE` by level. Peers tell columns too, take a symbol for a function that DWARF does not have, and leave `..` in paths as they like. */
function toldBy(name: PeerName, path: string, addresses: readonly bigint[]): string[][] {
  const input = addresses.map(address => `0x${address.toString(16)}`).join('\n');
  const { stdout } = peer(name, ['-f', '-i', '-a', '-e', path], [dirname(path)], `${input}\n`);
  return stdout
    .split(/^0x[0-9a-f]+\n/m)
    .slice(1)
    .map(group => {
      const lines = group.trim().split('\n');
      return lines.flatMap((line, i) =>
        i % 2 === 0 ? [`${line.replace(/ inlined at .*/, '')} ${place(lines[i + 1])}`] : [],
      );
    });
}

const place = (text: string): string => plain(text.replace(/:(\d+):\d+$/, ':$1').replace(/ \(.*$/, ''));

function plain(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const ours = (frames: readonly SourceFrame[]): string[] =>
  frames.map(({ function: name, file, line }) => `${name} ${plain(file)}:${line}`);

/** @param least how many addresses must have a line */
function compare(t: ExecutionContext, dwarf: Dwarf, path: string, addresses: readonly bigint[], least: number): void {
  const told = PEERS.map(name => toldBy(name, path, addresses));
  for (const list of told) t.is(list.length, addresses.length);
  let known = 0;
  let levels = 0;
  for (const [i, address] of addresses.entries()) {
    const frames = dwarf.source.at(address);
    if (frames.length === 0 && told.some(list => /:[0?]$/.test(list[i][0]))) continue;
    known++;
    levels += frames.length;
    // Behind a function's end the line goes on; peers guess the function by the symbol before.
    const behind = frames[0]?.function === '';
    const expected = told.map(list => (behind ? list[i][0].replace(/^\S*/, '') : list[i].join('\n')));
    if (!expected.includes(ours(frames).join('\n'))) {
      t.fail(`0x${address.toString(16)}: ${ours(frames).join(' < ')}, told ${expected.join(' or ')}`);
    }
  }
  t.log(`${known} of ${addresses.length} addresses have ${levels} levels`);
  t.true(known >= least, `${known}`);
  t.deepEqual(dwarf.issues.list(), []);
}

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const path = realVmlinux(name);
  realPeerTest(`${name}: lines and inlined calls`, [path], PEERS, async t => {
    const file = openElfFile(new FileSource(path));
    const dwarf = await Dwarf.open(file);
    if (dwarf === null) return t.fail('no DWARF');
    compare(t, dwarf, path, addressesIn(file, 150), 90);
  });
}

for (const name of ['x86_64-dwarf4.elf', 'x86_64-dwarf5.elf', 'clang-dwarf5.elf', 'x86_64-zlib.elf']) {
  peerTest(`${name}: every byte of code`, PEERS, async t => {
    const dwarf = await openFixture(name);
    const text = dwarf.file.sections.file.sections.find(({ label }) => label === '.text');
    if (text === undefined) return t.fail('no code');
    const addresses = Array.from({ length: text.size }, (_, i) => text.addr + BigInt(i));
    compare(t, dwarf, fixturePath(name), addresses, 100);
  });
}

test('a call chain is told from the inside', async t => {
  const dwarf = await openFixture('x86_64-dwarf5.elf');
  const text = dwarf.file.sections.file.sections.find(({ label }) => label === '.text');
  if (text === undefined) return t.fail('no code');
  const chains = new Set<string>();
  for (let i = 0; i < text.size; i++) {
    const frames = dwarf.source.at(text.addr + BigInt(i));
    chains.add(frames.map(frame => `${frame.function}${frame.inlined ? '*' : ''}@${basename(frame.file)}`).join(' < '));
  }
  // innermost() was put into middle(), that into compute() of sample.c and outer() of other.c; each place is that of the call.
  t.true(chains.has('innermost*@sample.h < middle*@sample.h < compute@sample.c'), [...chains].join('\n'));
  t.true(chains.has('innermost*@sample.h < middle*@sample.h < outer@other.c'), [...chains].join('\n'));
});

test('a module has its lines where it was loaded', async t => {
  for (const name of [
    'x86_64-dwarf5.ko',
    'aarch64-dwarf5.ko',
    's390x-dwarf5.ko',
    'powerpc64-dwarf5.ko',
    'riscv64-dwarf5.ko',
    'i386-dwarf5.ko',
  ]) {
    const at = name.startsWith('i386') ? 0xc0a0_0000n : 0xffff_ffff_c0a0_0000n;
    const dwarf = await openFixture(name, { addresses: new Map([['.text', at]]) });
    const text = dwarf.file.sections.file.sections.find(({ label }) => label === '.text');
    t.deepEqual(dwarf.source.at(0n), [], name);
    const found = new Set<string>();
    for (let i = 0; i < (text?.size ?? 0); i++) {
      const frames = dwarf.source.at(at + BigInt(i));
      if (frames.length > 0) found.add(frames[frames.length - 1].function);
    }
    for (const one of ['consume', 'compute', 'variadic', 'outer', '_start']) t.true(found.has(one), `${name}: ${one}`);
    t.deepEqual(dwarf.issues.list(), [], name);
  }
});

test('where no code is there is no source', async t => {
  const dwarf = await openFixture('x86_64-dwarf5.elf');
  for (const address of [0n, 1n, 0x1000n, 0xffff_ffff_ffff_ffffn]) t.deepEqual(dwarf.source.at(address), []);
});
