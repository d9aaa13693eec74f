// Kernels that carry no types, of three architectures, against what the guest said on its console before it died: all answers with a small vmlinux, and what is left with nothing.
import { readFileSync } from 'node:fs';
import { linksOf, mapsOf, section } from '../guest-console.js';
import { type CommandResult, kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Issue {
  readonly code: string;
  readonly message: string;
}

const rows = ({ stdout }: CommandResult) => JSON.parse(stdout) as Record<string, unknown>[];
const issuesOf = ({ stderr }: CommandResult) => (JSON.parse(stderr) as { issues: Issue[] }).issues;

for (const [name, release, machine] of [
  ['ppc64le-6.1', '6.1.0-50-powerpc64le', 'ppc64le'],
  ['s390x-6.1', '6.1.0-50-s390x', 's390x'],
  ['i386-6.1', '6.1.0-50-686-pae', 'i686'],
]) {
  const dump = realDump(`${name}.elf`);
  const vmlinux = realVmlinux(name);
  const serial = realTruth(`${name}/serial.log`);
  const guest = () => readFileSync(serial, 'utf8').replaceAll('\r', '');
  const ask = (command: string, ...args: string[]) => kdumpling(command, dump, ...args, '--vmlinux', vmlinux, '--json');
  const files = [dump, vmlinux, serial];

  realTest(`${name}: what /proc said of the machine`, files, t => {
    const log = guest();
    const env = ask('env');
    const found = JSON.parse(env.stdout) as Record<string, unknown>;
    t.deepEqual([env.status, found['issues']], [0, []]);
    t.deepEqual(
      [found['release'], found['machine'], found['commandLine']],
      [release, machine, section(log, 'cmdline')[0]],
    );
    t.deepEqual(found['cpus'], { possible: 2, present: 2, online: 2 });
    const total = section(log, 'meminfo')
      .join('\n')
      .match(/MemTotal: +(\d+) kB/);
    t.is((found['memory'] as number) / 1024, Number(total?.[1]));
    // The guest read its clocks some seconds before it died.
    const [, uptime, date] = /^(\d+\.\d+) \d+\.\d+\n(\w{3} \w{3} +\d+ .*UTC \d{4})$/m.exec(log) ?? [];
    const seconds = (Date.parse(found['time'] as string) - Date.parse(date)) / 1000;
    t.true(seconds >= 0 && seconds < 10, `${seconds}`);
    t.true(Math.abs(Number(found['uptimeNs']) / 1e9 - Number(uptime) - seconds) < 2);
    t.is((found['panic'] as { message: string }).message, 'Kernel panic - not syncing: sysrq triggered crash');
  });

  realTest(`${name}: modules and their symbols, the list of them, and the kernel's symbols`, files, t => {
    const log = guest();
    const lines = section(log, 'modules');
    const modules = lines.filter(line => line.includes(' Live '));
    const { status, stdout } = kdumpling('mod', dump, '--vmlinux', vmlinux);
    t.deepEqual([status, stdout.trimEnd().split('\n')], [0, modules]);
    const list = rows(ask('list', 'modules', '--head', '-o', 'module.list', '-s', 'name'));
    t.deepEqual(
      list.map(({ values }) => (values as { name: string }).name),
      modules.map(line => line.split(' ')[0]),
    );
    const symbols = [...section(log, 'kallsyms'), ...lines.filter(line => !line.includes(' Live '))];
    t.true(symbols.length > 30);
    const found = rows(ask('sym', ...symbols.map(line => `0x${line.split(/\s/)[0]}`)));
    const named = rows(ask('sym', ...new Set(symbols.map(line => line.split(/\s+/)[2]))));
    for (const [i, line] of symbols.entries()) {
      const [address, , symbol, module = null] = line.split(/\s+/);
      const { offset, module: own } = found[i];
      t.deepEqual([offset, own], [0, module === null ? null : module.slice(1, -1)], line);
      const same = named.filter(({ query }) => query === symbol).map(row => row['address']);
      t.true(same.includes(`0x${BigInt(`0x${address}`).toString(16)}`), line);
    }
  });

  realTest(`${name}: areas, files and mounts`, files, t => {
    const log = guest();
    const maps = mapsOf(log);
    t.true(maps.length >= 5);
    for (const [pid, expected] of maps) {
      const found = rows(ask('vm', pid)).map(({ start, end, flags, file, offset }) => [
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
      const found = rows(ask('files', pid)).map(({ fd, path }) => [fd, path]);
      t.deepEqual<unknown, unknown>(found, expected, `files ${pid}`);
    }
    t.deepEqual(
      rows(ask('mounts')).map(({ source, path, type }) => [source, path, type]),
      section(log, 'mounts').map(line => line.split(' ').slice(0, 3)),
    );
  });

  realTest(`${name}: tasks, layouts, translations`, files, t => {
    const log = guest();
    const tasks = new Map(rows(ask('ps')).map(({ pid, comm }) => [pid, comm as string]));
    for (const line of section(log, 'tasks')) {
      const [, tid, comm] = /^TASK tgid=\d+ tid=(\d+) comm=(.*) state=\w$/.exec(line) ?? [];
      if (tid !== undefined) t.true(comm.startsWith(tasks.get(Number(tid)) ?? '?'), line);
    }
    const uts = JSON.parse(ask('struct', 'uts_namespace', 'init_uts_ns').stdout) as {
      objects: { value: { name: Record<string, string> } }[];
    };
    t.is(uts.objects[0].value.name['release'], release);
    // The banner by its address, by its physical address, and as the guest read it.
    const [{ address }] = rows(ask('sym', 'linux_banner'));
    const vtop = rows(ask('vtop', address as string, 'schedule'));
    t.deepEqual(
      vtop.map(({ issues }) => issues),
      [[], []],
    );
    const banner = kdumpling('read', dump, vtop[0]['physical'] as string, '120', '--physical', '--raw').stdout;
    t.is(banner, section(log, 'version')[0].slice(0, 120));
    const pages = [...log.matchAll(/^PM name=\S+ pid=(\d+) tag=(\S+) va=(\w+) .* pa=(\w+) content=pattern$/gm)];
    t.true(pages.length > 20);
    for (const pid of new Set(pages.map(([, one]) => one))) {
      const own = pages.filter(([, one]) => one === pid);
      const found = rows(ask('vtop', ...own.map(([, , , va]) => `0x${va}`), '--pid', pid));
      for (const [i, [line, , , , pa]] of own.entries()) t.is(found[i]['physical'], `0x${pa}`, line);
    }
  });

  realTest(`${name}: with nothing but the dump`, [dump, serial], t => {
    const log = guest();
    const alone = (command: string, ...args: string[]) => kdumpling(command, dump, ...args, '--json');
    const info = JSON.parse(alone('info').stdout) as Record<string, unknown>;
    t.deepEqual([info['release'], info['types']], [release, null]);
    const dmesg = kdumpling('log', dump);
    const lines = section(log, 'dmesg');
    t.is(dmesg.status, 0);
    t.true(lines.length > 100);
    t.deepEqual(dmesg.stdout.split('\n').slice(0, lines.length), lines);
    const text = section(log, 'kallsyms').map(line => line.split(' '));
    const code = text.filter(([, letter]) => /^[Tt]$/.test(letter));
    const found = alone('sym', ...code.map(([, , symbol]) => symbol));
    t.is(found.status, 0);
    for (const [address, , symbol] of code) {
      const same = rows(found).filter(({ query }) => query === symbol);
      t.true(
        same.some(row => BigInt(row['address'] as string) === BigInt(`0x${address}`)),
        symbol,
      );
    }
    // Of code each has the bytes that it has by its physical address.
    const [vtop] = rows(alone('vtop', 'schedule'));
    t.deepEqual(vtop['issues'], []);
    const bytes = ['schedule', vtop['physical'] as string].map((address, i) =>
      kdumpling('read', dump, address, '64', '--raw', ...(i === 1 ? ['--physical'] : [])),
    );
    t.deepEqual([bytes[0].status, bytes[0].stdout], [0, bytes[1].stdout]);
    for (const [command, ...args] of [
      ['ps'],
      ['mod'],
      ['vm', '1'],
      ['files', '1'],
      ['mounts'],
      ['struct', 'list_head'],
      ['list', '0xc0000000', '-o', 'module.list'],
    ]) {
      const answer = alone(command, ...args);
      t.is(answer.status, 1, command);
      const issues =
        command === 'struct' ? (JSON.parse(answer.stdout) as { issues: Issue[] }).issues : issuesOf(answer);
      const [missing, ...more] = issues.filter(({ code }) => code === 'missing-type');
      t.regex(missing.message, /--vmlinux/, command);
      t.deepEqual(more, []);
    }
    t.is(alone('config').status, 1);
  });
}
