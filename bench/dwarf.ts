// What the first question about a vmlinux's DWARF costs: CPU time, and the peak of memory of the whole process. `node dist/bench/dwarf.js VMLINUX…`: each question in a process of its own.
// Fails where a struct and its members take a second or 150 MB.
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ElfSymbols, openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource } from 'kdumpling/reader/node';
import { median, table } from './measure.js';

const ROUNDS = 5;
const MOST_MS = 1000;
const MOST_MB = 150;
const ONCE = '--once';

/** Each answers whether there was an answer. */
const QUESTIONS: Readonly<Record<string, (dwarf: Dwarf, types: DwarfTypes, text: bigint) => boolean>> = {
  'nothing: open': () => true,
  'struct task_struct, all members': (_, types) => {
    const members = types.find('struct', 'task_struct')?.members ?? [];
    return members.filter(({ name, type }) => name !== '' && type.kind !== 'void').length > 50;
  },
  'struct ext4_inode_info, all members': (_, types) =>
    (types.find('struct', 'ext4_inode_info')?.members ?? []).length > 20,
  'a struct that is nowhere': (_, types) => types.find('struct', 'no_such_struct') === null,
  'the variable init_task': (_, types) => types.variable('init_task') !== null,
  'the static variable tainted_mask': (_, types) => types.variable('tainted_mask') !== null,
  'every name of a type': (_, types) => [...types.names('struct'), ...types.names('typedef')].length > 1000,
  'source of an address': (dwarf, _, text) => dwarf.source.at(text).length > 0,
  'call frame of an address': (dwarf, _, text) => dwarf.frames.at(text) !== null,
};

interface Round {
  readonly ms: number;
  readonly mb: number;
}

async function once(path: string, question: string): Promise<Round> {
  // Where code is, is not the DWARF's to tell.
  const text = ElfSymbols.open(new FileSource(path)).linked(['schedule']).get('schedule') ?? 0n;
  const before = process.cpuUsage();
  const file = openElfFile(new FileSource(path));
  const dwarf = await Dwarf.open(file);
  if (dwarf === null) throw new Error(`${path}: no DWARF`);
  const known = QUESTIONS[question](dwarf, new DwarfTypes(dwarf), text);
  const { user, system } = process.cpuUsage(before);
  if (!known) throw new Error(`${path}: ${question}: no answer`);
  return { ms: (user + system) / 1000, mb: process.resourceUsage().maxRSS / 1024 };
}

function rounds(path: string, question: string): Round[] {
  return Array.from({ length: ROUNDS }, () => {
    const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ONCE, path, question], {
      encoding: 'utf8',
    });
    if (stdout === '') throw new Error(`${path}: ${question}: ${stderr}`);
    return JSON.parse(stdout) as Round;
  });
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === ONCE) {
    console.log(JSON.stringify(await once(args[1], args[2])));
    return;
  }
  if (args.length === 0) throw new Error('usage: dwarf VMLINUX…');
  const rows: (string | number)[][] = [['file', 'question', 'CPU, ms', 'peak, MB']];
  for (const path of args) {
    for (const question of Object.keys(QUESTIONS)) {
      const measured = rounds(path, question);
      const ms = Math.round(median(measured.map(round => round.ms)));
      const mb = Math.round(Math.max(...measured.map(round => round.mb)));
      if (question.startsWith('struct') && (ms >= MOST_MS || mb >= MOST_MB)) process.exitCode = 1;
      rows.push([basename(path), question, ms, mb]);
    }
  }
  console.log(table(rows));
}

await main(process.argv.slice(2));
