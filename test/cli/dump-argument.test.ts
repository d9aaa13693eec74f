// What DUMP may be on the command line.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { parseSize } from 'kdumpling/reader/node';
import { dir } from 'tmp-promise';
import { UsageError } from '#cli/command';
import { parseDumpArgument, parseOverrides } from '#cli/dump-argument';

test('files, split sets, raw images, folders; what exists under the whole text is that', async t => {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  const at = (name: string) => join(path, name);
  for (const name of ['one', 'two', 'with,comma', 'with@0x10']) writeFileSync(at(name), '');
  mkdirSync(at('folder'));
  t.deepEqual(parseDumpArgument([at('one')]), { kind: 'files', paths: [at('one')] });
  const both = { kind: 'files', paths: [at('one'), at('two')] } as const;
  t.deepEqual(parseDumpArgument([`${at('one')},${at('two')}`]), both);
  t.deepEqual(parseDumpArgument([at('one'), at('two')]), both);
  t.deepEqual(parseDumpArgument([at('with,comma')]), { kind: 'files', paths: [at('with,comma')] });
  t.deepEqual(parseDumpArgument([at('with@0x10')]), { kind: 'files', paths: [at('with@0x10')] });
  t.deepEqual(parseDumpArgument([`${at('one')}@0x40000000,${at('two')}@3G`]), {
    kind: 'images',
    images: [
      { path: at('one'), paddr: 0x40000000 },
      { path: at('two'), paddr: 3 * 2 ** 30 },
    ],
  });
  t.deepEqual(parseDumpArgument([at('folder')]), { kind: 'folder', path: at('folder') });
  // A file that is not there is for the opener to tell.
  t.deepEqual(parseDumpArgument([at('absent')]), { kind: 'files', paths: [at('absent')] });
  const refused = (message: RegExp, ...texts: string[]) =>
    t.throws(() => parseDumpArgument(texts), { instanceOf: UsageError, message });
  refused(/names no file/, '');
  refused(/names no file/, ',');
  refused(/is a folder/, at('one'), at('folder'));
  refused(/one has no address/, `${at('one')},${at('two')}@0`);
  refused(/is no physical address/, `${at('one')}@0xzz`);
  refused(/is no physical address/, `${at('one')}@99999999999999999999`);
  await cleanup();
});

test('sizes: hexadecimal or decimal, with K, M or G, below 2^53', t => {
  t.is(parseSize('0x10'), 16);
  t.is(parseSize('10'), 10);
  t.is(parseSize('4k'), 4096);
  t.is(parseSize('0x2M'), 2 * 2 ** 20);
  t.is(parseSize('1G'), 2 ** 30);
  for (const text of ['', 'k', '0x', '-1', '1.5', '10T', '0xg', ' 1', '0x20000000000001', '9007199254740992'])
    t.is(parseSize(text), null, text);
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      t.is(parseSize(String(value)), value);
      t.is(parseSize(`0x${value.toString(16)}`), value);
    }),
  );
});

test('--set: the value is all behind the first =', t => {
  t.deepEqual(
    [...parseOverrides(['a.b=c=d', 'e='])],
    [
      ['a.b', 'c=d'],
      ['e', ''],
    ],
  );
  t.throws(() => parseOverrides(['=x']), { instanceOf: UsageError });
});
