// advise on real dumps: a core of the set that it makes answers as the whole dump does, byte by byte, with no other file.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { kdumpling } from '../kdumpling.js';
import { realDump, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

interface Advised {
  readonly regions: number;
  readonly bytes: number;
  readonly presentBytes: number;
  readonly checked: boolean | null;
  readonly parts: readonly { readonly part: string; readonly regions: number; readonly leftOut: number }[];
  readonly thisDump: { readonly regions: number };
  readonly issues: readonly { readonly code: string }[];
}

const SHARE = 0.05;

function advise(t: ExecutionContext, dump: string, set: string, ...more: readonly string[]): Advised {
  const { status, stdout, stderr } = kdumpling('advise', dump, '-o', set, '--json', ...more);
  t.is(status, 0, stderr);
  return JSON.parse(stdout) as Advised;
}

/** PIDs of `ps`, spread over the processes. */
function somePids(t: ExecutionContext, dump: string): string[] {
  const { stdout, status } = kdumpling('ps', dump, '-u', '-G', '--json');
  t.is(status, 0);
  const pids = (JSON.parse(stdout) as { pid: number }[]).map(({ pid }) => String(pid));
  t.true(pids.length >= 3);
  return [0, 0.5, 1].map(place => pids[Math.floor(place * (pids.length - 1))]);
}

function sameAnswers(t: ExecutionContext, dump: string, core: string, commands: readonly (readonly string[])[]): void {
  for (const [name, ...args] of commands) {
    const [expected, found] = [dump, core].map(file => kdumpling(name, file, ...args));
    t.true(expected.stdout.length > 0);
    t.is(found.stdout, expected.stdout, `${name} ${args.join(' ')}`);
    t.is(found.status, expected.status, found.stderr);
  }
}

const ANALYSES = 'ps,log,mod,vm';

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const dump = realDump(`${name}.elf`);

  realPeerTest(`${name}: a minidump of the advised set answers ps, log, mod and vm`, [dump], [], (t, path) => {
    const set = join(path, 'set.json');
    const { bytes, presentBytes, regions, checked } = advise(t, dump, set, '--for', ANALYSES);
    t.true(checked);
    t.true(bytes < SHARE * presentBytes, `${bytes} of ${presentBytes}`);
    const free = advise(t, dump, join(path, 'free.json'), '--for', ANALYSES, '--limit', 'none');
    t.true(free.checked);
    t.true(free.bytes < bytes);
    const [blobs, core] = [join(path, 'blobs'), join(path, 'core')];
    const carved = kdumpling('carve', dump, '--regions', set, '-o', blobs, '--json');
    t.is(carved.status, 0, carved.stderr);
    const { leftOut, regions: registered } = JSON.parse(carved.stdout) as {
      leftOut: unknown[];
      regions: unknown[];
    };
    t.deepEqual(leftOut, []);
    // The core's header and VMCOREINFO are regions too.
    t.is(registered.length, regions + 2);
    t.is(kdumpling('assemble', blobs, '-o', core).status, 0);
    t.true(statSync(core).size < SHARE * statSync(dump).size);
    const pids = somePids(t, dump);
    sameAnswers(t, dump, core, [['ps'], ['log'], ['mod'], ...pids.map(pid => ['vm', pid])]);
  });
}

const dump = realDump('x86_64-6.1.elf');

realPeerTest('any number of regions: smaller, by name where they have one, in one core', [dump], [], (t, path) => {
  const [few, many, folder] = ['few.json', 'many.json', 'raw'].map(file => join(path, file));
  const runs = ['--for', 'ps,slab', '--for', 'vm 1'];
  const limited = advise(t, dump, few, ...runs, '--limit', '40');
  const free = advise(t, dump, many, ...runs, '--limit', 'none');
  t.true(limited.regions <= 40 && free.regions > 151);
  t.true(free.bytes < limited.bytes);
  const part = (answer: Advised, which: string) => answer.parts.find(each => each.part === which)?.regions ?? 0;
  t.true(part(free, 'per-cpu') >= 2 && part(free, 'objects') > 50);
  const { regions } = JSON.parse(readFileSync(many, 'utf8')) as { regions: Record<string, unknown>[] };
  t.deepEqual(
    regions.filter(region => 'paddr' in region).map(region => region['thisDump']),
    Array.from({ length: free.thisDump.regions }, () => true),
  );
  t.is(kdumpling('carve', dump, '--regions', many, '--backend', 'raw', '--layout', 'core', '-o', folder).status, 0);
  sameAnswers(t, dump, join(folder, 'core'), [['ps'], ['slab'], ['vm', '1'], ['slab', '--json']]);

  // More than a registry takes: what is left is counted.
  const carved = kdumpling('carve', dump, '--regions', many, '-o', join(path, 'full'));
  t.is(carved.status, 1);
  const left = /(\d+) regions are left, since kmemdump-rfc3 has no room .* \(ENOSPC\)/.exec(carved.stderr);
  t.is(Number(left?.[1]), free.regions - 152);
});

realPeerTest(
  'what a vmlinux has too may be left out: the core then needs it',
  [dump, realVmlinux('x86_64-6.1')],
  [],
  (t, path) => {
    const [set, folder] = [join(path, 'set.json'), join(path, 'raw')];
    const leaveOut = ['--leave-out', 'types', '--leave-out', 'symbols'];
    const vmlinux = ['--vmlinux', realVmlinux('x86_64-6.1')];
    const { bytes, checked } = advise(t, dump, set, '--for', 'ps', '--limit', 'none', ...leaveOut, ...vmlinux);
    t.true(checked);
    t.true(bytes < 2e6);
    t.is(kdumpling('carve', dump, '--regions', set, '--backend', 'raw', '--layout', 'core', '-o', folder).status, 0);
    const core = join(folder, 'core');
    t.is(kdumpling('ps', core).status, 1);
    t.is(kdumpling('ps', core, ...vmlinux).stdout, kdumpling('ps', dump, ...vmlinux).stdout);

    const without = advise(t, dump, set, '--for', 'ps', ...leaveOut);
    t.is(without.checked, null);
    t.deepEqual(
      without.issues.map(({ code }) => code),
      ['not-checked'],
    );
    const [types, symbols] = without.parts;
    t.true(types.leftOut > 4e6 && symbols.leftOut > 1e5, JSON.stringify(without.parts));
  },
);

realPeerTest('addresses of another boot are not registered', [dump, realDump('x86_64-7.3.elf')], [], (t, path) => {
  const set = join(path, 'set.json');
  advise(t, realDump('x86_64-7.3.elf'), set, '--for', 'mod');
  const { status, stdout } = kdumpling('carve', dump, '--regions', set, '-o', join(path, 'out'), '--json');
  const carved = JSON.parse(stdout) as { regions: { name: string }[]; issues: { code: string }[] };
  t.is(status, 1);
  t.true(carved.issues.some(({ code }) => code === 'other-boot'));
  t.deepEqual(
    carved.regions.filter(({ name }) => name === ''),
    [],
  );
});

realPeerTest('wrong usage of advise: exit status 2, a sentence, no file', [dump], [], (t, path) => {
  const set = join(path, 'set.json');
  const wrong = (message: RegExp, ...args: readonly string[]) => {
    const { status, stderr } = kdumpling('advise', dump, '-o', set, ...args);
    t.is(status, 2, stderr);
    t.regex(stderr, message);
    t.throws(() => statSync(set));
  };
  wrong(/"pss" is no analysis: they are config, .*, ps, /, '--for', 'ps,pss');
  wrong(/list needs arguments/, '--for', 'list');
  wrong(/vm 1 --flagz: unknown option/, '--for', 'vm 1 --flagz');
  wrong(/a number from 8 on, or none/, '--for', 'ps', '--limit', '3');
  wrong(/neither types nor symbols/, '--for', 'ps', '--leave-out', 'btf');
  writeFileSync(set, 'mine');
  const { status } = kdumpling('advise', set, '-o', set, '--for', 'ps');
  t.is(status, 2);
  t.is(readFileSync(set, 'utf8'), 'mine');
});
