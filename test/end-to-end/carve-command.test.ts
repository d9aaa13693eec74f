// The carve command on the small region core that comes with the package: its contract of exit status, JSON, manifest and sameness.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { dir } from 'tmp-promise';
import { kdumpling } from '../kdumpling.js';

const data = join(dirname(fileURLToPath(import.meta.url)), '../../../cli/demo');

async function inFolder(body: (folder: string, core: string) => void): Promise<void> {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  try {
    const core = join(path, 'vmcore');
    writeFileSync(core, gunzipSync(readFileSync(join(data, 'region-core.elf.gz'))));
    body(path, core);
  } finally {
    await cleanup();
  }
}

function set(folder: string, regions: readonly unknown[], name = 'set.json'): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ regionSet: 1, regions }));
  return path;
}

const everything = (folder: string): string[] =>
  readdirSync(folder).map(name => `${name} ${readFileSync(join(folder, name)).toString('base64')}`);

test("a user's set: answer and manifest agree, every run gives the same bytes", async t => {
  await inFolder((folder, core) => {
    const regions = join(data, 'regions.json');
    const first = kdumpling('carve', core, '--regions', regions, '-o', join(folder, 'a'), '--json');
    t.is(first.status, 0, first.stderr);
    kdumpling('carve', core, '--regions', regions, '-o', join(folder, 'b'));
    t.deepEqual(everything(join(folder, 'a')), everything(join(folder, 'b')));
    const answer = JSON.parse(first.stdout) as Record<string, unknown>;
    const manifest = JSON.parse(readFileSync(join(folder, 'a', 'manifest.json'), 'utf8')) as Record<string, unknown>;
    t.is(answer['output'], 'a');
    t.is(manifest['dump'], 'vmcore');
    t.is(manifest['release'], '6.1.0-56-cloud-amd64');
    for (const key of ['series', 'backend', 'files', 'regions', 'leftOut'])
      t.deepEqual(answer[key], manifest[key], key);
    t.false(JSON.stringify(manifest).includes(folder), 'no path of this machine');
    const rows = manifest['regions'] as { name: string; paddr: string; size: number; sizeFrom: string }[];
    const banner = rows.find(({ name }) => name === 'linux_banner');
    t.deepEqual([banner?.paddr, banner?.size, banner?.sizeFrom], ['0x9f1ffe0', 204, 'region-set']);
  });
});

test('the command that it prints assembles what it wrote, on each medium', async t => {
  await inFolder((folder, core) => {
    const cores = ['folder', 'rawdump', 'ram'].map(media => {
      const out = join(folder, `a ${media}`);
      const regions = join(data, 'regions.json');
      const { stdout, status } = kdumpling('carve', core, '--regions', regions, '--media', media, '-o', out);
      // An image of RAM lacks what this region core lacks, and that is told.
      t.is(status, media === 'ram' ? 1 : 0);
      const printed = /^To make a core of it: kdumpling assemble '([^']+)' -o CORE$/m.exec(stdout);
      t.not(printed, null, stdout);
      const assembled = kdumpling('assemble', printed?.[1] ?? '', '-o', join(folder, media));
      t.is(assembled.status, 0, assembled.stderr);
      return readFileSync(join(folder, media));
    });
    t.true(cores[1].equals(cores[0]));
    t.true(cores[2].equals(cores[0]));
    t.notRegex(kdumpling('carve', core, '--backend', 'raw', '-o', join(folder, 'raw')).stdout, /kdumpling assemble/);
  });
});

test('vmcore takes no regions: none is told to be registered', async t => {
  await inFolder((folder, core) => {
    const out = join(folder, 'out');
    const { stdout } = kdumpling('carve', core, '--backend', 'vmcore', '-o', out);
    t.regex(stdout, /^vmcore .*no region is registered/);
    t.notRegex(stdout, /registered as/);
    const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Record<string, unknown>;
    t.is(manifest['series'], null);
    t.deepEqual(manifest['regions'], []);
  });
});

test('an answer in part: what the dump does not tell is left out, told, and exit status 1', async t => {
  await inFolder((folder, core) => {
    const regions = set(folder, [
      { vaddr: '0xffffffffbc31ffe0', length: 204, name: 'banner' },
      { symbol: 'no_such_symbol' },
      { paddr: '0x9f1ffe0', length: 8192, name: 'too_long' },
      { type: 'task_struct' },
    ]);
    const { status, stdout } = kdumpling('carve', core, '--regions', regions, '-o', join(folder, 'out'), '--json');
    t.is(status, 1);
    const answer = JSON.parse(stdout) as { leftOut: { name: string; code: string }[]; regions: { name: string }[] };
    t.deepEqual(
      answer.leftOut.map(({ name, code }) => `${name}: ${code}`),
      ['no_such_symbol: missing-symbol', 'too_long: memory-absent', 'task_struct: unresolved'],
    );
    t.deepEqual(
      answer.regions.map(({ name }) => name),
      ['ELF', 'VMCOREINFO', 'banner'],
    );
  });
});

test('wrong usage: exit status 2, a sentence, no folder', async t => {
  await inFolder((folder, core) => {
    const out = join(folder, 'out');
    const wrong = (message: RegExp, ...options: string[]) => {
      const { status, stdout, stderr } = kdumpling('carve', core, '-o', out, ...options);
      t.is(status, 2, stderr);
      t.is(stdout, '');
      t.regex(stderr, message);
      t.false(existsSync(out));
    };
    wrong(/one kernel has one series/, '--regions', 'meminspect-v1,meminspect-v3');
    wrong(/backend/, '--backend', 'floppy');
    wrong(/has no option media/, '--backend', 'raw', '--media', 'ram');
    wrong(/only a folder can be bare/, '--bare', '--media', 'ram');
  });
});

test('what cannot be read: exit status 3, a sentence, no folder', async t => {
  await inFolder((folder, core) => {
    const out = join(folder, 'out');
    const unreadable = (message: RegExp, ...args: string[]) => {
      const { status, stdout, stderr } = kdumpling('carve', ...args);
      t.is(status, 3, stderr);
      t.is(stdout, '');
      t.regex(stderr, message);
      t.false(existsSync(out));
    };
    unreadable(/no such file or folder; sets are kmemdump-rfc1/, core, '--regions', 'meminspect-v4', '-o', out);
    const bad = set(folder, [{ vaddr: 1 }]);
    unreadable(/set\.json: region 0: length/, core, '--regions', bad, '-o', out);
    writeFileSync(join(folder, 'text'), 'not a dump');
    unreadable(/^kdumpling: text: /, join(folder, 'text'), '-o', out);
    unreadable(/no such file/, join(folder, 'nothing'), '-o', out);
  });
});

test('a folder that is not empty is left as it is', async t => {
  await inFolder((folder, core) => {
    const { status, stderr } = kdumpling('carve', core, '--regions', join(data, 'regions.json'), '-o', folder);
    t.is(status, 3);
    t.regex(stderr, /not empty/);
    t.deepEqual(readdirSync(folder), ['vmcore']);
  });
});
