// The house rules that no compiler checks: which room may import which, that faces are used and never passed on, and what no source may contain.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const ALL = ['reader', 'reader/node', 'producer', 'backends', 'assembler', 'analysis', 'cli'];

/** room -> the rooms it may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  reader: [],
  'reader/node': ['reader'],
  assembler: ['reader'],
  analysis: ['reader'],
  producer: ['reader'],
  backends: ['producer', 'reader'],
  cli: ALL,
  examples: ALL,
  test: ALL,
  bench: ALL,
};
/** Rooms that run in a browser's worker as they are. */
const WITHOUT_NODE = ['reader', 'producer', 'backends', 'assembler', 'analysis'];

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory() && !/^(node_modules|dist|coverage|\..*)$/.test(entry.name)) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}

const all = [...files('')];
const sources = all.filter(path => path.endsWith('.ts'));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const roomOf = (path: string): string => (path.startsWith('reader/node/') ? 'reader/node' : path.split('/')[0]);
const withoutComments = (text: string): string => text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');

function imports(path: string): string[] {
  const lines = withoutComments(read(path)).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"\n]+)['"]/g);
  return [...lines].map(([, name]) => name);
}

/** The room behind a published name, by the exports map; undefined for a name that is not in it. */
function publishedRoom(name: string): string | undefined {
  const map = (JSON.parse(read('package.json')) as { exports: Record<string, string> }).exports;
  const face = `.${name.slice('kdumpling'.length)}`;
  for (const [key, target] of Object.entries(map)) {
    const [before, after] = key.split('*');
    if (after === undefined ? face === key : face.startsWith(before) && face.length > before.length)
      return roomOf(target.replace('./dist/', ''));
  }
  return undefined;
}

test('every import keeps the table of rooms', t => {
  t.true(sources.length > 40, 'the sources were found');
  const wrong: string[] = [];
  for (const path of sources) {
    const room = roomOf(path);
    t.true(Object.hasOwn(MAY_IMPORT, room), `${path} lies in a room of the table`);
    for (const name of imports(path)) {
      if (name.startsWith('.')) {
        const target = posix.join(posix.dirname(path), name);
        if (roomOf(target) !== room) wrong.push(`${path}: ${name} leaves the room ${room}`);
      } else if (name.startsWith('#')) {
        // The command line's own files have names that only tests use.
        if (room !== 'test' || !/^#cli\/[\w-]+$/.test(name)) wrong.push(`${path}: ${name} is for tests`);
      } else if (/^kdumpling(\/|$)/.test(name) && name !== 'kdumpling/package.json') {
        const other = publishedRoom(name);
        if (other === undefined) wrong.push(`${path}: ${name} is not published`);
        else if (other === room && room !== 'test') wrong.push(`${path}: ${name} is its own room`);
        else if (!MAY_IMPORT[room].includes(other)) wrong.push(`${path}: ${room} may not import ${name}`);
      } else if (name.startsWith('node:') && WITHOUT_NODE.includes(room)) {
        wrong.push(`${path}: ${name} is Node's`);
      }
    }
  }
  t.deepEqual(wrong, []);
});

test('every room that is imported is built before: the compiler builds rooms side by side', t => {
  const wrong = new Set<string>();
  for (const path of sources) {
    const room = roomOf(path);
    const { references } = JSON.parse(read(`${room}/tsconfig.json`)) as { references: { path: string }[] };
    const before = references.map(reference => posix.join(room, reference.path));
    for (const name of imports(path)) {
      if (!/^kdumpling\/(?!package\.json$)/.test(name)) continue;
      const other = publishedRoom(name);
      if (other !== undefined && other !== room && !before.includes(other))
        wrong.add(`${room}/tsconfig.json: no reference to ${other}`);
    }
  }
  t.deepEqual([...wrong], []);
});

test('a face never passes on another face', t => {
  const wrong = sources.filter(path => /^export .* from ['"]kdumpling/m.test(withoutComments(read(path))));
  t.deepEqual(wrong, []);
});

test('files have names of their own', t => {
  t.deepEqual(
    all.filter(path => path.split('/').some(part => /^(utils?|helpers?|common|misc)(\.|$)/i.test(part))),
    [],
  );
});

/** What has no place in a source: the name of the rule -> its pattern. */
const FORBIDDEN: Record<string, RegExp> = {
  'a path of one machine': /(?<![\w.*])\/(?:work|home|root|Users)\/\w|\/var\/tmp\/(?!kdumpling-)|\.\.\/shared\b/,
  'a package registry': /\bregistry\.[a-z]+\.[a-z]{2,}|\bnpmmirror\b|\bartifactory\b|\bpypi\.org\b/i,
  'how the project is made':
    /\bAI[- ](?:agent|assistant|generated)\b|\b(?:issue|ticket) (?:no\.? ?)?#?\d+\b|\bChatGPT\b|\bCopilot\b|\bLLM\b/i,
  'unfinished work': /\b(?:TODO|FIXME|XXX)\b/,
  'a conflict of two changes': /^(?:<{7} |>{7} )/m,
  'a silenced check': /\bbiome-ignore\b|\b(?:oxlint|eslint)-disable\b|@ts-(?:ignore|nocheck|expect-error)\b/,
};

test('no source has what has no place in it', t => {
  const self = relative(root, fileURLToPath(import.meta.url)).replace(/^dist\/(.*)\.js$/, '$1.ts');
  t.true(all.includes(self));
  const wrong: string[] = [];
  for (const path of all) {
    if (path === self || !/\.(?:ts|mjs|py|sh|md|json)$/.test(path)) continue;
    const text = read(path);
    for (const [rule, pattern] of Object.entries(FORBIDDEN)) {
      const found = pattern.exec(text);
      if (found !== null) wrong.push(`${path}: ${rule}: ${JSON.stringify(found[0])}`);
    }
  }
  t.deepEqual(wrong, []);
});
