// Walks of the kernel's containers, nanoseconds of CPU time a node, beside drgn with the kernel's vmlinux (peers/drgn-walks.py, in the chroot that .ci/peers makes). `node dist/bench/walks.js
// DUMP VMLINUX`, a dump of x86_64 6.1. All inodes by their super blocks' lists, the areas of vmalloc by their red-black tree, the memory areas of all tasks by their maple trees. Both must find
// the same nodes; fails where ours is the slower.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { listEntries, listNodes, mapleEntries, rbNodes } from 'kdumpling/analysis/collections';
import { struct } from 'kdumpling/analysis/object';
import { tasks } from 'kdumpling/analysis/tasks';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';

const ROUNDS = 9;
const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, '../../bench/peers/drgn-walks.py');
const peers = join(here, '../../.ci/peers');
const root = process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers';

interface Walked {
  readonly name: string;
  readonly count: number;
  /** Of the nodes' addresses, modulo 2^52. */
  readonly sum: bigint;
  readonly nanoseconds: number;
}

function* inodes(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const block = struct(kernel, 'super_block');
  const list = block.address('s_inodes');
  for (const address of listEntries(kernel, kernel.address('super_blocks'), block, 's_list', issues))
    yield* listNodes(kernel, list(address), issues);
}

/** The maple trees of all tasks that have memory. */
function trees(kernel: Kernel, issues: Issues): bigint[] {
  const mm = struct(kernel, 'task_struct').word('mm');
  const tree = struct(kernel, 'mm_struct').address('mm_mt');
  const memory = tasks(kernel, issues).map(({ task }) => mm(task));
  return memory.filter(address => address !== 0n).map(tree);
}

function* maps(kernel: Kernel, roots: readonly bigint[], issues: Issues): Iterable<bigint> {
  for (const root of roots) yield* mapleEntries(kernel, root, issues);
}

type Walk = () => Iterable<bigint>;

function walks(kernel: Kernel, issues: Issues): Readonly<Record<string, Walk>> {
  const roots = trees(kernel, issues);
  return {
    list: () => inodes(kernel, issues),
    rbtree: () => rbNodes(kernel, kernel.address('vmap_area_root'), issues),
    maple: () => maps(kernel, roots, issues),
  };
}

function ours(kernel: Kernel): Walked[] {
  const issues = new Issues();
  return Object.entries(walks(kernel, issues)).map(([name, walk]) => {
    let found: bigint[] = [];
    const times = Array.from({ length: ROUNDS }, () => {
      const microseconds = cpuMicroseconds(() => {
        found = [...walk()];
      });
      return (microseconds * 1000) / found.length;
    });
    if (issues.count > 0) throw new Error(issues.list()[0].message);
    const sum = BigInt.asUintN(
      52,
      found.reduce((all, address) => all + address, 0n),
    );
    return { name, count: found.length, sum, nanoseconds: Math.round(median(times)) };
  });
}

function drgns(dump: string, vmlinux: string): Walked[] {
  if (!existsSync(join(root, 'usr/bin/python3'))) return [];
  const words = ['run', `${dirname(dump)}:${dirname(vmlinux)}`, '--', 'python3', '-c', readFileSync(source, 'utf8')];
  const { stdout, stderr, status } = spawnSync(peers, [...words, dump, vmlinux, `${ROUNDS}`], {
    encoding: 'utf8',
    env: { ...process.env, KDUMPLING_PEERS: root, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map(line => line.split(' '))
    .map(([name, count, sum, nanoseconds]) => ({
      name,
      count: Number(count),
      sum: BigInt(sum),
      nanoseconds: Number(nanoseconds),
    }));
}

const [dumpPath, vmlinux] = process.argv.slice(2).map(path => resolve(path));
if (dumpPath === undefined || vmlinux === undefined) throw new Error('usage: walks DUMP VMLINUX');
const dump = await openFile(dumpPath);
const found = ours(await openKernel(dump));
dump.close();
const theirs = drgns(dumpPath, vmlinux);
const rows: (string | number)[][] = [['walk', 'nodes', 'ours, ns', 'drgn, ns', 'ours / it']];
for (const { name, count, sum, nanoseconds } of found) {
  const other = theirs.find(walked => walked.name === name);
  if (other === undefined) {
    rows.push([name, count, nanoseconds, '', '']);
    continue;
  }
  if (other.count !== count || other.sum !== sum)
    throw new Error(`${name}: drgn finds ${other.count} nodes, not ${count}`);
  if (nanoseconds > other.nanoseconds) process.exitCode = 1;
  rows.push([name, count, nanoseconds, other.nanoseconds, +(nanoseconds / other.nanoseconds).toFixed(2)]);
}
console.log(table(rows));
