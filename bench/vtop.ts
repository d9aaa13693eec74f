// Random kernel addresses to physical ones, nanoseconds of CPU time an address, tables warm: ours, and libkdumpfile's address translation (peers/addrxlat-vtop.c, in the chroot
// that .ci/peers makes, or by a compiler and library found here). `node dist/bench/vtop.js DUMP…`. All must find the same places; fails below a million addresses a second, and
// where ours is the slower by more than two runs of one program differ.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { attachPageTables, type KernelMap, type Mapping, mappings } from 'kdumpling/analysis/vtop';
import type { AddressMap, Dump } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';
import { compilePeer, type RunPeer } from './peer-program.js';

const ADDRESSES = 1_000_000;
const ROUNDS = 5;
const MOST_NANOSECONDS = 1000;
const NOISE = 1.1;
const CHECKSUM = 2n ** 52n;

interface Round {
  readonly nanoseconds: number;
  /** The sum of the physical addresses modulo 2^52. */
  readonly checksum: bigint;
}

/** xorshift32: the same addresses in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Each address in an entry that was chosen at random: large pages come no more often than small ones. */
function addressesIn(entries: readonly Mapping[]): BigUint64Array {
  const random = randomNumbers(0x6b64756d);
  return BigUint64Array.from({ length: ADDRESSES }, () => {
    const { vaddr, size } = entries[Math.floor(random() * entries.length)];
    return vaddr + BigInt(Math.floor(random() * size));
  });
}

function timed(virtual: AddressMap, addresses: readonly bigint[]): Round[] {
  const rounds: Round[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    let sum = 0;
    let carries = 0;
    const time = cpuMicroseconds(() => {
      for (let j = 0; j < addresses.length; j++) {
        sum += virtual.translate(addresses[j]);
        if (sum < 2 ** 52) continue;
        sum -= 2 ** 52;
        carries++;
      }
    });
    if (!Number.isSafeInteger(carries)) throw new Error('an address has no translation');
    // The first round warms caches.
    if (i > 0) rounds.push({ nanoseconds: (time * 1000) / addresses.length, checksum: BigInt(sum) % CHECKSUM });
  }
  return rounds;
}

function peerRounds(run: RunPeer, dump: string, addresses: BigUint64Array, folder: string): Round[] {
  const file = join(folder, 'addresses');
  writeFileSync(file, addresses);
  return run([dump, file, `${ROUNDS}`], [dirname(dump)]).map(([, nanoseconds, checksum]) => ({
    nanoseconds: Number(nanoseconds),
    checksum: BigInt(checksum),
  }));
}

/** What is translated: the ranges of the map need no page tables. */
function kinds({ virtual }: Dump, { table: tables }: KernelMap): [string, Mapping[]][] {
  const all = [...mappings(tables)];
  const ranged = ({ vaddr }: Mapping) => virtual.ranges.some(({ first, last }) => vaddr >= first && vaddr <= last);
  return [
    ['all that is mapped', all],
    ['vmalloc, vmemmap, modules', all.filter(entry => !ranged(entry))],
    ['linear map and image', all.filter(ranged)],
  ];
}

const dumps = process.argv.slice(2);
if (dumps.length === 0) throw new Error('usage: vtop DUMP…');
const folder = mkdtempSync(join(tmpdir(), 'kdumpling-bench-'));
try {
  const peer = compilePeer('addrxlat-vtop', ['-lkdumpfile', '-laddrxlat'], folder);
  const rows: (string | number)[][] = [['dump', 'addresses', 'ours', 'libkdumpfile', 'million a second']];
  for (const path of dumps.map(name => resolve(name))) {
    const dump = await openFile(path);
    const { map } = attachPageTables(dump);
    if (map === null) throw new Error(`${basename(path)}: no page tables`);
    for (const [what, entries] of kinds(dump, map)) {
      const addresses = addressesIn(entries);
      const ours = timed(dump.virtual, [...addresses]);
      const theirs = peer === null ? [] : peerRounds(peer, path, addresses, folder);
      if (new Set([...ours, ...theirs].map(({ checksum }) => checksum)).size !== 1)
        throw new Error(`${basename(path)}: ${what}: libkdumpfile finds other places`);
      const [our, their] = [ours, theirs].map(rounds => median(rounds.map(({ nanoseconds }) => nanoseconds)));
      if (our > MOST_NANOSECONDS || our > their * NOISE) process.exitCode = 1;
      rows.push([
        basename(path),
        what,
        +our.toFixed(0),
        peer === null ? '' : +their.toFixed(0),
        +(1000 / our).toFixed(1),
      ]);
    }
    dump.close();
  }
  console.log(
    `Nanoseconds of CPU an address, ${ADDRESSES} addresses, the median of ${ROUNDS} rounds, Node ${process.version}`,
  );
  console.log(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
