// The rules of call frames, row by row, against those that readelf prints.
import { dirname } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openElfFile } from 'kdumpling/reader/debuginfo';
import { type CallFrame, Dwarf, type RegisterRule } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource } from 'kdumpling/reader/node';
import { peer, peerTest } from '../../../peer.js';
import { realVmlinux } from '../../../real.js';
import { realPeerTest } from '../../../real-peer.js';
import { fixturePath, openFixture } from './fixtures.js';

const X86_64 = 'rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const I386 = 'eax ecx edx ebx esp ebp esi edi'.split(' ');
const numbered = (letter: string): readonly string[] => Array.from({ length: 32 }, (_, i) => `${letter}${i}`);
const ARM64 = [...numbered('x').slice(0, 31), 'sp'];

/** readelf's names of registers, in the order of their numbers. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  x86_64: X86_64,
  clang: X86_64,
  i386: I386,
  arm64: ARM64,
  aarch64: ARM64,
  s390x: numbered('r'),
  powerpc64: numbered('r'),
};

interface ToldRow {
  readonly pc: bigint;
  readonly to: bigint;
  readonly cfa: string;
  readonly registers: readonly (readonly [name: string, rule: string])[];
}

/** The rows of every function, or of every so many. */
function* rowsOf(text: string, every: number): Generator<ToldRow> {
  let functions = 0;
  let end = 0n;
  let columns: string[] = [];
  let last: ToldRow | null = null;
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const entry = /FDE .* pc=[0-9a-f]+\.\.([0-9a-f]+)/.exec(line);
    const isRow = /^[0-9a-f]+ \S+/.test(line) && !/ (FDE|CIE) /.test(line);
    const pc = isRow ? BigInt(`0x${words[0]}`) : null;
    if (last !== null) {
      // A function's last operation may lie behind it.
      const to = pc ?? end;
      if (last.pc < to) yield { ...last, to };
      last = null;
    }
    if (entry !== null) end = functions++ % every === 0 ? BigInt(`0x${entry[1]}`) : 0n;
    else if (/ CIE /.test(line)) end = 0n;
    else if (words[0] === 'LOC') columns = words.slice(2);
    else if (pc !== null && end > 0n) {
      last = { pc, to: end, cfa: words[1], registers: columns.map((name, i) => [name, words[i + 2]] as const) };
    }
  }
}

function ruleText(rule: RegisterRule | undefined, nameOf: (register: number) => string): string {
  if (rule === undefined) return 'u';
  switch (rule.kind) {
    case 'undefined':
      return 'u';
    case 'same':
      return 's';
    case 'offset':
      return `c${rule.offset < 0 ? '' : '+'}${rule.offset}`;
    case 'valOffset':
      return `v${rule.offset < 0 ? '' : '+'}${rule.offset}`;
    case 'register':
      return nameOf(rule.register);
    case 'expression':
      return 'exp';
    case 'valExpression':
      return 'vexp';
  }
}

function differences(frame: CallFrame | null, told: ToldRow, names: readonly string[]): string | null {
  if (frame === null) return 'there is no frame';
  const nameOf = (register: number) => names[register] ?? `?${register}`;
  const { cfa, registers } = frame.row;
  const cfaText =
    cfa === null
      ? ''
      : cfa.kind === 'expression'
        ? 'exp'
        : `${nameOf(cfa.register)}${cfa.offset < 0 ? '' : '+'}${cfa.offset}`;
  if (cfaText !== told.cfa) return `CFA ${cfaText}`;
  for (const [name, rule] of told.registers) {
    const number = name === 'ra' ? frame.returnRegister : names.indexOf(name);
    if (number < 0) return `${name} is not known`;
    const own = ruleText(registers.get(number), nameOf);
    if (own !== rule) return `${name} ${own}`;
  }
  return null;
}

function compare(t: ExecutionContext, dwarf: Dwarf, path: string, arch: string, every = 1): number {
  const { stdout } = peer('readelf', ['--debug-dump=frames-interp', path], [dirname(path)]);
  let compared = 0;
  for (const told of rowsOf(stdout, every)) {
    // At its begin and just before the next.
    for (const pc of new Set([told.pc, told.to - 1n])) {
      const wrong = differences(dwarf.frames.at(pc), told, NAMES[arch]);
      if (wrong !== null) t.fail(`0x${pc.toString(16)}: ${wrong}, told ${told.cfa} ${told.registers.join(' ')}`);
      compared++;
    }
  }
  t.deepEqual(dwarf.issues.list(), []);
  t.log(`${compared} rows`);
  return compared;
}

for (const name of [
  'x86_64-dwarf5.elf',
  'clang-dwarf5.elf',
  's390x-dwarf5.ko',
  'aarch64-dwarf5.ko',
  'i386-dwarf5.ko',
  'powerpc64-dwarf5.ko',
]) {
  peerTest(`${name}: all rows`, ['readelf'], async t => {
    t.true(compare(t, await openFixture(name), fixturePath(name), name.split('-')[0]) >= 6);
  });
}

for (const [name, arch] of [
  ['x86_64-6.1', 'x86_64'],
  ['arm64-6.1', 'arm64'],
]) {
  const path = realVmlinux(name);
  realPeerTest(`${name}: all rows of every eighth function`, [path], ['readelf'], async t => {
    const dwarf = await Dwarf.open(openElfFile(new FileSource(path)));
    if (dwarf === null) return t.fail('no DWARF');
    t.true(compare(t, dwarf, path, arch, 8) > 50_000);
  });
}

test('where no function is there is no frame', async t => {
  const dwarf = await openFixture('x86_64-dwarf5.elf');
  for (const address of [0n, 1n, 0xffff_ffff_ffff_ffffn]) t.is(dwarf.frames.at(address), null);
});
