// Cores of the meminspect v3 set, carved out of real dumps: what they hold is answered as the whole dump answers it, and of the rest it is said which region would be needed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { kdumpling } from '../kdumpling.js';
import { realDump, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

interface Found {
  readonly code: string;
  readonly message: string;
}

const SERIES = 'meminspect-v3';

/** What meminspect v3 registers under a name of its own, or that VMCOREINFO names anyway. */
const NOT_NAMES = new Set(['total_nr_irqs', 'tk_data', 'prb_descs', 'prb_infos', 'prb_data']);

interface Row {
  readonly name: string;
  readonly address: string;
  readonly from: string | null;
}

/** Variables by the names of regions lie where the vmlinux has them; the rest is answered as the whole dump answers it. */
function answersAlone(t: ExecutionContext, dump: string, core: string, vmlinux: readonly string[]): void {
  for (const args of [['env'], ['log'], ['log', '-T'], ['read', 'linux_banner', '64']])
    same(t, dump, core, args, args[0] === 'read' ? vmlinux : []);
  const { symbols } = JSON.parse(kdumpling('info', core, '--json').stdout) as { symbols: string[] };
  t.deepEqual(symbols, ['vmcoreinfo', 'regions']);
  const rows = JSON.parse(kdumpling('sym', core, '*', '--json').stdout) as Row[];
  const named = rows.filter(({ name, from }) => from !== null && !NOT_NAMES.has(name)).map(({ name }) => name);
  t.true(
    ['linux_banner', 'jiffies_64', 'tainted_mask', '__cpu_online_mask', '_end'].every(name => named.includes(name)),
  );
  t.true(named.length >= 24, named.join(' '));
  const truth = JSON.parse(kdumpling('sym', dump, ...named, '--json', ...vmlinux).stdout) as Row[];
  const there = new Set(truth.map(({ name, address }) => `${name} ${address}`));
  for (const { name, address } of rows) if (named.includes(name)) t.true(there.has(`${name} ${address}`), name);
  const names = kdumpling('sym', core, 'linux_banner', 'init_uts_ns', 'jiffies_64');
  t.deepEqual([names.status, names.stdout.trim().split('\n').length], [0, 3]);
}

function makeCore(t: ExecutionContext, dump: string, folder: string, regions: string, more: readonly string[]): string {
  const blobs = join(folder, 'blobs');
  const core = join(folder, 'core');
  const carved = kdumpling('carve', dump, '--regions', regions, '-o', blobs, ...more);
  t.is(carved.status, 0, carved.stderr);
  t.is(kdumpling('assemble', blobs, '-o', core).status, 0);
  return core;
}

/** @param more what the whole dump is asked with */
function same(
  t: ExecutionContext,
  dump: string,
  core: string,
  args: readonly string[],
  more: readonly string[] = [],
): void {
  const [name, ...rest] = args;
  const expected = kdumpling(name, dump, ...rest, ...more);
  const found = kdumpling(name, core, ...rest);
  t.is(expected.status, 0, expected.stderr);
  t.is(found.stdout, expected.stdout, args.join(' '));
  t.is(found.status, 0, found.stderr);
}

/** What a command says of the core with --json: issues are a list's or an object's. */
function issuesOf(t: ExecutionContext, core: string, args: readonly string[]): readonly Found[] {
  const [name, ...rest] = args;
  const { status, stdout, stderr } = kdumpling(name, core, ...rest, '--json');
  t.is(status, 1, `${args.join(' ')}: ${stderr}`);
  const answer = JSON.parse(stdout) as { issues?: Found[] };
  return answer.issues ?? (JSON.parse(stderr) as { issues: Found[] }).issues;
}

/** Command -> the symbol that it begins with. */
const NEEDS: readonly (readonly [args: readonly string[], symbol: string])[] = [
  [['ps'], 'init_task'],
  [['vm', '1'], 'init_task'],
  [['files', '1'], 'init_pid_ns'],
  [['mounts'], 'init_task'],
  [['mod'], 'modules'],
  [['slab'], 'slab_caches'],
  [['swap'], 'total_swap_pages'],
  [['timers'], 'timer_bases'],
  [['list', 'modules', '--head'], 'modules'],
  [['struct', 'list_head', 'super_blocks'], 'super_blocks'],
];
const NAMES = ['sym', 'init_task', 'schedule', 'linux_banner', 'jiffies_64'];

/** All of them once, and of each kind one elsewhere: every command reads the vmlinux again. */
const OFTEN = new Set(['ps', 'mod', 'slab']);

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const needs = name === 'x86_64-6.1' ? NEEDS : NEEDS.filter(([[command]]) => OFTEN.has(command));
  const dump = realDump(`${name}.elf`);
  const vmlinux = ['--vmlinux', realVmlinux(name)];

  realPeerTest(`${name}: a core of the ${SERIES} set`, [dump, realVmlinux(name)], [], (t, folder) => {
    const core = makeCore(t, dump, folder, SERIES, vmlinux);
    same(t, dump, core, ['log']);
    for (const args of [['env'], ['log', '-T'], NAMES]) same(t, dump, core, [...args, ...vmlinux]);
    const [whole, regions] = [dump, core].map(file => {
      const { stdout } = kdumpling('info', file, '--json', ...vmlinux);
      const { release, buildId, kaslrOffset, physBase, cpus, panic } = JSON.parse(stdout) as Record<string, unknown>;
      return { release, buildId, kaslrOffset, physBase, cpus, panic };
    });
    t.deepEqual(regions, whole);
    t.truthy(regions.panic);
    answersAlone(t, dump, core, vmlinux);
    if (name === 'x86_64-7.3') {
      // What firmware wrote, as it is, and whole pages, where the order of the regions is lost.
      const blobs = join(folder, 'blobs');
      const pages = join(folder, 'pages');
      t.is(kdumpling('assemble', blobs, '-o', pages, '--mode', 'paged').status, 0);
      for (const input of [blobs, pages]) answersAlone(t, dump, input, vmlinux);
    }

    for (const [args, symbol] of needs) {
      const found = issuesOf(t, core, [...args, ...vmlinux]);
      const needed = found.filter(({ code }) => code === 'region-needed').map(({ message }) => message);
      const wanted = new RegExp(
        `^no region holds ${symbol}, \\d+ bytes at 0x[0-9a-f]+: register \\{"symbol":"${symbol}"`,
      );
      t.true(
        needed.some(message => wanted.test(message)),
        `${args.join(' ')}: ${needed.join('\n')}`,
      );
      const advice = found.find(({ code }) => code === 'regions-to-register')?.message ?? '';
      t.regex(advice, new RegExp(`kdumpling advise DUMP --for "?${args[0]}`));
    }
    const vtop = issuesOf(t, core, ['vtop', '0xffffff0000000000', ...vmlinux]);
    t.true(vtop.some(({ code, message }) => code === 'region-needed' && /page tables, 4096 bytes/.test(message)));
  });
}

/** The request in a note that a region is needed. */
function requestIn(issues: readonly Found[], what: RegExp): string {
  const message = issues.find(one => one.code === 'region-needed' && what.test(one.message))?.message ?? '';
  return /: register (\{.*\})$/.exec(message)?.[1] ?? 'no request';
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const dump = realDump(`${name}.elf`);

  realPeerTest(
    `${name}: what a core says is needed, once registered, answers without any file`,
    [dump],
    [],
    (t, folder) => {
      const set = (number: number, requests: readonly string[]) => {
        const file = join(folder, `${number}.json`);
        writeFileSync(file, `{"regionSet": 1, "regions": [${requests.join(', ')}]}`);
        const { path } = { path: join(folder, String(number)) };
        kdumpling('carve', dump, '--regions', `${SERIES},${file}`, '-o', path);
        const core = join(folder, `${number}.core`);
        t.is(kdumpling('assemble', path, '-o', core).status, 0);
        return core;
      };
      const plain = set(0, []);
      const symbols = requestIn(issuesOf(t, plain, ['sym', 'init_task']), /symbols \(kallsyms\)/);
      const named = set(1, [symbols]);
      same(t, dump, named, NAMES);
      const types = requestIn(issuesOf(t, named, ['ps']), /types \(BTF/);
      const typed = set(2, [symbols, types]);
      same(t, dump, typed, ['env']);
      same(t, dump, typed, ['struct', 'task_struct']);
      t.regex(requestIn(issuesOf(t, typed, ['ps']), /holds init_task/), /^\{"symbol":"init_task"\}$/);
    },
  );
}

const arm64 = realDump('arm64-6.1.elf');

realPeerTest(
  "arm64-6.1: regions of Qualcomm's downstream driver answer by their names",
  [arm64, realVmlinux('arm64-6.1')],
  [],
  (t, folder) => {
    const vmlinux = ['--vmlinux', realVmlinux('arm64-6.1')];
    const core = makeCore(t, arm64, folder, SERIES, ['--backend', 'qcom-msm', ...vmlinux]);
    for (const input of [core, join(folder, 'blobs')]) answersAlone(t, arm64, input, vmlinux);
  },
);
