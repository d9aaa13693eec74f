// Random kernel addresses to physical ones, nanoseconds of CPU time an address, tables warm: ours, and libkdumpfile's address translation (peers/addrxlat-vtop.c, in the chroot
// that .ci/peers makes, or by a compiler and library found here). `node dist/bench/vtop.js DUMP…`. All must find the same places; fails below a million addresses a second, and
// where ours is the slower by more than two runs of one program differ. Each kind of addresses has a process of its own on both sides: what else a process translated before decides how its code was compiled.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attachPageTables, type KernelMap, type Mapping, mappings } from 'kdumpling/analysis/vtop';
import type { AddressMap, Dump } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';
import { compilePeer, type RunPeer } from './peer-program.js';
import { ranOnce, rounds } from './rounds.js';

const ADDRESSES = 1_000_000;
const ROUNDS = 5;
const MOST_NANOSECONDS = 1000;
const NOISE = 1.1;
const CHECKSUM = 2n ** 52n;

interface Round {
  readonly nanoseconds: number;
  /** The sum of the physical addresses modulo 2^52. */
  readonly checksum: string;
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
  const found: Round[] = [];
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
    if (i > 0) found.push({ nanoseconds: (time * 1000) / addresses.length, checksum: `${BigInt(sum) % CHECKSUM}` });
  }
  return found;
}

function peerRounds(run: RunPeer, dump: string, addresses: BigUint64Array, folder: string): Round[] {
  const file = join(folder, 'addresses');
  writeFileSync(file, addresses);
  return run([dump, file, `${ROUNDS}`], [dirname(dump)]).map(([, nanoseconds, checksum]) => ({
    nanoseconds: Number(nanoseconds),
    checksum,
  }));
}

/** What is translated: the ranges of the map need no page tables. */
const KINDS = ['all that is mapped', 'vmalloc, vmemmap, modules', 'linear map and image'] as const;

function entriesOf(kind: string, { virtual }: Dump, { table: tables }: KernelMap): Mapping[] {
  const all = [...mappings(tables)];
  if (kind === KINDS[0]) return all;
  const ranged = ({ vaddr }: Mapping) => virtual.ranges.some(({ first, last }) => vaddr >= first && vaddr <= last);
  return all.filter(entry => ranged(entry) === (kind === KINDS[2]));
}

async function withAddresses<T>(
  path: string,
  kind: string,
  use: (virtual: AddressMap, addresses: BigUint64Array) => T,
): Promise<T> {
  const dump = await openFile(path);
  try {
    const { map } = attachPageTables(dump);
    if (map === null) throw new Error(`${basename(path)}: no page tables`);
    return use(dump.virtual, addressesIn(entriesOf(kind, dump, map)));
  } finally {
    dump.close();
  }
}

/** @param what the kind and the path, with a colon between them */
const once = (what: string): Promise<Round[]> => {
  const [kind, path] = [what.slice(0, what.indexOf(':')), what.slice(what.indexOf(':') + 1)];
  return withAddresses(path, kind, (virtual, addresses) => timed(virtual, [...addresses]));
};

async function main(dumps: readonly string[]): Promise<void> {
  if (dumps.length === 0) throw new Error('usage: vtop DUMP…');
  const folder = mkdtempSync(join(tmpdir(), 'kdumpling-bench-'));
  try {
    const peer = compilePeer('addrxlat-vtop', ['-lkdumpfile', '-laddrxlat'], folder);
    const rows: (string | number)[][] = [['dump', 'addresses', 'ours', 'libkdumpfile', 'million a second']];
    for (const path of dumps.map(name => resolve(name))) {
      for (const kind of KINDS) {
        const [ours] = rounds<Round[]>(fileURLToPath(import.meta.url), `${kind}:${path}`, 1);
        const ask = (_: AddressMap, addresses: BigUint64Array) =>
          peer === null ? [] : peerRounds(peer, path, addresses, folder);
        const theirs = await withAddresses(path, kind, ask);
        if (new Set([...ours, ...theirs].map(({ checksum }) => checksum)).size !== 1)
          throw new Error(`${basename(path)}: ${kind}: libkdumpfile finds other places`);
        const [our, their] = [ours, theirs].map(found => median(found.map(({ nanoseconds }) => nanoseconds)));
        if (our > MOST_NANOSECONDS || our > their * NOISE) process.exitCode = 1;
        const perSecond = +(1000 / our).toFixed(1);
        rows.push([basename(path), kind, +our.toFixed(0), peer === null ? '' : +their.toFixed(0), perSecond]);
      }
    }
    console.log(
      `Nanoseconds of CPU an address, ${ADDRESSES} addresses, the median of ${ROUNDS} rounds, Node ${process.version}`,
    );
    console.log(table(rows));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
if (!(await ranOnce(args, once))) await main(args);
