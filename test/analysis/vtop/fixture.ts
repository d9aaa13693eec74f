// Page tables as text (test/fixtures/vtop): what tells the mode, the entries that are not 0, and addresses with where they lead. Lines:
//   arch NAME; info LINE-OF-VMCOREINFO; known VADDR = PADDR; mode NAME; entries BYTES little|big|memory (memory: both are tried)
//   room BYTES: how much memory there is from each table on (default: to the end of its page); table PADDR, then INDEX: ENTRY
//   kernel ADDR -> PADDR PAGESIZE LEVELS…   linux: the same, but the processor calls it not present (it knows no PROT_NONE)
//   kernel ADDR fault REASON LEVEL          user PGD ADDR …: the same by the tables of a process, whose mm_struct says PGD (linux-user: likewise)
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PagingProbe } from 'kdumpling/reader/arch';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { PiecesMemory } from '../../reader/pieces-memory.js';

export const folder = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/fixtures/vtop');
export const fixtureNames: readonly string[] = readdirSync(folder)
  .filter(name => name.endsWith('.data'))
  .sort();

export interface Question {
  readonly text: string;
  readonly half: 'kernel' | 'user';
  /** What the process's mm_struct says; null for the kernel. */
  readonly pgd: bigint | null;
  readonly address: bigint;
  readonly answer:
    | { readonly paddr: number; readonly pageSize: number; readonly levels: readonly string[] }
    | { readonly fault: string; readonly level: string };
}

export interface Fixture {
  readonly arch: string;
  readonly mode: string;
  readonly vmcoreinfo: Vmcoreinfo;
  readonly known: ReadonlyMap<bigint, number>;
  readonly entrySize: number;
  readonly order: string;
  readonly room: number;
  /** Physical address -> entry. */
  readonly entries: ReadonlyMap<number, bigint>;
  readonly tables: readonly number[];
  readonly questions: readonly Question[];
}

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function questionOf(text: string, words: readonly string[]): Question {
  const user = words[0].endsWith('user');
  const [address, verb, ...rest] = words.slice(user ? 2 : 1);
  const size = (word: string) => Number(word.slice(0, -1)) * UNITS[word.slice(-1)];
  return {
    text,
    half: user ? 'user' : 'kernel',
    pgd: user ? BigInt(words[1]) : null,
    address: BigInt(address),
    answer:
      verb === '->'
        ? { paddr: Number(rest[0]), pageSize: size(rest[1]), levels: rest.slice(2) }
        : { fault: rest[0], level: rest[1] === '-' ? '' : rest[1] },
  };
}

export function readFixture(name: string): Fixture {
  const info: string[] = [];
  const known = new Map<bigint, number>();
  const entries = new Map<number, bigint>();
  const tables: number[] = [];
  const questions: Question[] = [];
  const said = { arch: '', mode: '', entrySize: 8, order: '', room: 0 };
  const take: Record<string, (words: readonly string[], text: string) => void> = {
    arch: ([, arch]) => Object.assign(said, { arch }),
    info: (_, text) => info.push(text.slice('info '.length)),
    known: ([, vaddr, , paddr]) => known.set(BigInt(vaddr), Number(paddr)),
    mode: (_, text) => Object.assign(said, { mode: text.slice('mode '.length) }),
    entries: ([, size, order]) => Object.assign(said, { entrySize: Number(size), order }),
    room: ([, room]) => Object.assign(said, { room: Number(room) }),
    table: ([, paddr]) => tables.push(Number(paddr)),
    kernel: (words, text) => questions.push(questionOf(text, words)),
    linux: (words, text) => questions.push(questionOf(text, words)),
    user: (words, text) => questions.push(questionOf(text, words)),
    'linux-user': (words, text) => questions.push(questionOf(text, words)),
  };
  for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
    const text = line.replace(/#.*/, '').trim();
    const words = text.split(/\s+/);
    const index = /^(\d+):$/.exec(words[0])?.[1];
    if (index !== undefined) entries.set(tables[tables.length - 1] + Number(index) * said.entrySize, BigInt(words[1]));
    else if (text !== '') take[words[0]](words, text);
  }
  return { ...said, vmcoreinfo: new Vmcoreinfo(info.join('\n')), known, entries, tables, questions };
}

const PAGE = 4096;

/** Memory with all tables of a fixture; what they do not say is 0. */
export function memoryOf(fixture: Fixture, littleEndian: boolean): PiecesMemory {
  const { entrySize, order, entries, tables, vmcoreinfo } = fixture;
  const pages = new Map<number, Uint8Array>();
  const room = fixture.room || (vmcoreinfo.pageSize ?? PAGE);
  const make = (from: number, to: number) => {
    for (let page = from - (from % PAGE); page < to; page += PAGE) {
      if (!pages.has(page)) pages.set(page, new Uint8Array(PAGE));
    }
  };
  for (const table of tables) make(table, table - (table % room) + room);
  for (const [paddr, entry] of entries) {
    make(paddr, paddr + entrySize);
    const page = paddr - (paddr % PAGE);
    const view = new DataView((pages.get(page) as Uint8Array).buffer);
    const little = order === 'memory' ? littleEndian : order === 'little';
    if (entrySize === 8) view.setBigUint64(paddr - page, entry, little);
    else view.setUint32(paddr - page, Number(entry), little);
  }
  return new PiecesMemory(joined(pages), littleEndian, /^(arm|i386)$/.test(fixture.arch) ? 4 : 8);
}

function joined(pages: ReadonlyMap<number, Uint8Array>): { paddr: number; bytes: Uint8Array }[] {
  const pieces: { paddr: number; bytes: Uint8Array }[] = [];
  for (const [paddr, bytes] of [...pages].sort(([a], [b]) => a - b)) {
    const last = pieces[pieces.length - 1];
    if (last !== undefined && last.paddr + last.bytes.length === paddr) {
      last.bytes = Uint8Array.from([...last.bytes, ...bytes]);
    } else pieces.push({ paddr, bytes });
  }
  return pieces;
}

export function probeOf(fixture: Fixture, physical: PiecesMemory): PagingProbe {
  const { vmcoreinfo, known } = fixture;
  return {
    vmcoreinfo,
    physical,
    pageSize: vmcoreinfo.pageSize ?? PAGE,
    notes: [],
    symbol: name => vmcoreinfo.symbol(name) ?? null,
    toPhysical: vaddr => known.get(vaddr) ?? -1,
  };
}
