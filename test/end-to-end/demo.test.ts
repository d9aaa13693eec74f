// The demonstration, as a new user runs it.
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { kdumpling } from '../kdumpling.js';

const leftovers = (): string[] => readdirSync(tmpdir()).filter(name => name.startsWith('kdumpling-demo-'));

test.serial('demo: what it did, the banner, the release, the end of the log; nothing stays behind', t => {
  const before = leftovers();
  const { status, stdout, stderr } = kdumpling('demo');
  t.is(status, 0, stderr);
  t.is(stderr, '');
  t.regex(stdout, /registered 47 regions of a real kernel/);
  t.regex(stdout, /49 blobs/);
  t.regex(stdout, /every byte is as it was/);
  t.regex(stdout, /banner +Linux version 6\.1\.0-56-cloud-amd64 \(debian-kernel@lists\.debian\.org\)/);
  t.regex(stdout, /release +6\.1\.0-56-cloud-amd64\n/);
  t.regex(stdout, /\[ {3}55\.348253\] ---\[ end Kernel panic - not syncing: sysrq triggered crash \]---/);
  t.deepEqual(leftovers(), before);
});

test.serial('demo --json: one value', t => {
  const { status, stdout } = kdumpling('demo', '--json');
  t.is(status, 0);
  const answer = JSON.parse(stdout) as Record<string, unknown>;
  t.is(answer['regions'], 47);
  t.is(answer['blobs'], 49);
  t.is(answer['release'], '6.1.0-56-cloud-amd64');
  t.is(answer['panic'], 'Kernel panic - not syncing: sysrq triggered crash');
  t.is((answer['log'] as string[]).length, 8);
});
