// ps, log, mod, sym, vtop, vm and files with nothing but the dump, row by row: against drgn with the kernel's vmlinux and, on arm64, what the guest said on its console.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { linksOf, mapsOf, section } from '../guest-console.js';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers/drgn-answers.py');

type Row = Readonly<Record<string, unknown>>;

function ask(t: ExecutionContext, ...args: string[]): Row[] {
  const { status, stdout, stderr } = kdumpling(...args, '--json');
  t.is(status, 0, `${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Row[];
}

type Translation = readonly [address: string, physical: string | null];

interface VtopRow {
  readonly address: string;
  readonly physical: string | null;
  readonly steps: readonly { readonly entry: string }[];
  readonly issues: readonly { readonly code: string }[];
}

interface Answers {
  readonly ps: readonly Row[];
  readonly log: readonly Row[];
  readonly mod: readonly (readonly [name: string, object: string])[];
  readonly vm: Readonly<Record<string, readonly (readonly [start: string, end: string, file: string | null])[]>>;
  readonly files: Readonly<Record<string, readonly (readonly [fd: number, file: string, path: string | null])[]>>;
  readonly vtop: readonly Translation[];
  readonly vtopOf: Readonly<Record<string, readonly Translation[]>>;
}

const columns = (row: Row, like: Row): Row => Object.fromEntries(Object.keys(like).map(key => [key, row[key]]));

/** How many addresses have a translation. Where drgn finds none there is none, but where the tables of arm64 keep a page that nobody may use (PROT_NONE): drgn leaves that out. */
function sameTranslations(
  t: ExecutionContext,
  expected: readonly Translation[],
  dump: string,
  ...more: string[]
): number {
  const { stdout } = kdumpling('vtop', dump, ...expected.map(([address]) => address), ...more, '--json');
  const found = (JSON.parse(stdout) as VtopRow[]).map(({ address, physical, steps }) => {
    const last = BigInt(steps.at(-1)?.entry ?? 0);
    const kept = more.length > 0 && (last & 1n) === 0n && last >> 58n === 1n;
    return [address, kept ? null : physical];
  });
  t.deepEqual<unknown, unknown>(found, expected);
  return expected.filter(([, physical]) => physical !== null).length;
}

/** Of 7.3 every third process: processes.test.ts has them all, against /proc. */
const STEP: Readonly<Record<string, number>> = { 'x86_64-7.3': 3, 'arm64-6.1': 1 };

for (const [name, step] of Object.entries(STEP)) {
  const sampled = <T>(byPid: Readonly<Record<string, T>>) => Object.entries(byPid).filter((_, i) => i % step === 0);
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];

  realPeerTest(`${name}: ps, log, mod, vm, files and vtop say what drgn does`, [dump, vmlinux], ['drgn'], t => {
    const { status, stdout, stderr } = peer(
      'python3',
      ['-c', readFileSync(script, 'utf8'), dump, vmlinux],
      [dirname(dump), dirname(vmlinux)],
    );
    t.is(status, 0, stderr);
    const drgn = JSON.parse(stdout) as Answers;
    const byPid = (a: Row, b: Row) => Number(a['pid']) - Number(b['pid']);
    // drgn does not count the idle tasks.
    const tasks = ask(t, 'ps', dump).filter(({ pid }) => pid !== 0);
    t.deepEqual(tasks.map(row => columns(row, drgn.ps[0])).sort(byPid), [...drgn.ps].sort(byPid));
    t.deepEqual(
      ask(t, 'log', dump).map(row => columns(row, drgn.log[0])),
      drgn.log,
    );
    t.deepEqual<unknown, unknown>(
      ask(t, 'mod', dump).map(row => [row['name'], row['object']]),
      drgn.mod,
    );
    let areas = 0;
    for (const [pid, expected] of sampled(drgn.vm)) {
      const found = ask(t, 'vm', dump, pid);
      areas += found.length;
      t.deepEqual<unknown, unknown>(
        found.map(({ start, end }) => [start, end]),
        expected.map(([start, end]) => [start, end]),
      );
      for (const [i, [, , file]] of expected.entries()) {
        // drgn does not say that a file was deleted, and has no names for what has none.
        if (file?.startsWith('/') && !file.startsWith('/memfd:'))
          t.is(String(found[i]['file']).replace(/ \(deleted\)$/, ''), file.replace(/ \(deleted\)$/, ''), `${pid}`);
      }
    }
    t.true(areas > 50);
    for (const [pid, expected] of sampled(drgn.files)) {
      const found = ask(t, 'files', dump, pid);
      t.deepEqual<unknown, unknown>(
        found.map(({ fd, file }) => [fd, file]),
        // A number that was taken for a file that was not open yet.
        expected.filter(([, file]) => file !== '0x0').map(([fd, file]) => [fd, file]),
      );
    }
    t.true(sameTranslations(t, drgn.vtop, dump) > 150);
    let pages = 0;
    for (const [pid, expected] of Object.entries(drgn.vtopOf).slice(0, 6))
      pages += sameTranslations(t, expected, dump, '--pid', pid);
    t.true(pages > 50);
  });
}

const arm64 = realDump('arm64-6.1.elf');
const serial = realTruth('arm64-6.1/serial.log');

realTest('arm64-6.1: ps, vm, files, mounts and sym say what the guest did', [arm64, serial], t => {
  const log = readFileSync(serial, 'utf8').replaceAll('\r', '');
  const tasks = new Map(ask(t, 'ps', arm64).map(row => [row['pid'], row]));
  let seen = 0;
  for (const line of section(log, 'tasks')) {
    const [, tgid, tid, comm, state] = /^TASK tgid=(\d+) tid=(\d+) comm=(.*) state=(\w)$/.exec(line) ?? [];
    if (tid === undefined) continue;
    const row = tasks.get(Number(tid));
    t.is(row?.['tgid'], Number(tgid), line);
    t.true(comm.startsWith(String(row?.['comm'])), line);
    if (comm.startsWith('kd')) t.is(row?.['state'], state, line);
    seen++;
  }
  t.true(seen > 40);
  const maps = mapsOf(log);
  t.is(maps.length, 5);
  for (const [pid, expected] of maps) {
    const found = ask(t, 'vm', arm64, pid).map(({ start, end, flags, file, offset }) => [
      start,
      end,
      flags,
      file,
      offset,
    ]);
    t.deepEqual(found, expected, `vm ${pid}`);
  }
  const links = linksOf(log);
  t.true(links.length >= 5);
  for (const [pid, expected] of links) {
    const found = ask(t, 'files', arm64, pid).map(({ fd, path }) => [fd, path]);
    t.deepEqual<unknown, unknown>(found, expected, `files ${pid}`);
  }
  t.deepEqual(
    ask(t, 'mounts', arm64).map(({ source, path, type }) => [source, path, type]),
    // init put a list of symbols of its own over the kernel's, for kexec, when it had told all this.
    [...section(log, 'mounts').map(line => line.split(' ').slice(0, 3)), ['tmpfs', '/proc/kallsyms', 'tmpfs']],
  );
  const lines = section(log, 'kallsyms').filter(line => /^[0-9a-f]{16} \S \S+$/.test(line));
  t.true(lines.length > 3);
  const printed = new Set(
    kdumpling('sym', arm64, ...new Set(lines.map(line => line.split(' ')[2])))
      .stdout.split('\n')
      .map(line => line.replace(/ {2}\(.*$/, '')),
  );
  for (const line of lines) t.true(printed.has(line), line);
});
