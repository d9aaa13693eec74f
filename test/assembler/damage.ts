// Judges an assembled core by what was put in: every region that was not damaged stays at its place with its bytes, and no PT_LOAD anywhere shows bytes that memory did
// not have there.
import { type Assembled, assemble } from 'kdumpling/assembler';
import { InputError, MemorySink } from 'kdumpling/reader';
import { type Placement, placeFolder, placeMemory, placeRawdump } from 'kdumpling/reader/minidump';
import { ElfWalk } from '../elf-walk.js';
import { MadeMemory } from './made-dump.js';
import { filesOf, folderOf, infoLine, type MadeMinidump, type MadeRegion, RAM } from './made-minidump.js';

export interface Outcome {
  readonly core: ElfWalk | null;
  readonly result: Assembled | null;
  /** Why nothing was assembled, or ''. */
  readonly refused: string;
}

export function outcome(place: () => Placement): Outcome {
  try {
    const placement = place();
    const sink = new MemorySink();
    const result = assemble(placement, sink, { mode: 'exact' });
    return { core: new ElfWalk(Buffer.from(sink.bytes())), result, refused: '' };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { core: null, result: null, refused: error.message };
  }
}

/** Raw memory from RAM's first byte on. */
export function memoryOf(bytes: Uint8Array): MadeMemory {
  const memory = new MadeMemory([{ start: RAM, end: RAM + bytes.length, state: 'data', bytes }]);
  return memory;
}

export type MediumName = 'folder' | 'rawdump' | 'memory';

export const placeImage = (medium: 'rawdump' | 'memory', bytes: Uint8Array): Placement =>
  medium === 'rawdump'
    ? placeRawdump({
        name: 'rawdump.img',
        size: bytes.length,
        blockSize: 4096,
        read(offset, into) {
          const there = bytes.subarray(offset, offset + into.length);
          into.set(there);
          return there.length;
        },
        close() {},
      })
    : placeMemory(memoryOf(bytes), 'ram.img', null);

export const placeMade = ({ entries }: MadeMinidump): Placement =>
  placeFolder(folderOf(filesOf(entries), entries.map(infoLine).join('')));

export interface Expected {
  /** Regions that the damage is about: nothing is asked of them but that what is shown is true. */
  readonly touched?: readonly MadeRegion[];
  /** What an issue has to say; absent where nothing need be said. */
  readonly named?: RegExp;
  /** Whether the core is whole; absent where both will do. */
  readonly complete?: boolean;
  /** Bytes beside the regions that memory has. */
  readonly more?: readonly MadeRegion[];
  /** Nothing may be refused unless the header or all tables are gone. */
  readonly mayRefuse?: boolean;
}

/** What is wrong with an outcome, as sentences; [] where it is as it has to be. */
export function judge(made: MadeMinidump, label: string, got: Outcome, expected: Expected): string[] {
  const { core, result } = got;
  if (core === null || result === null) {
    return expected.mayRefuse === true ? [] : [`${label}: refused: ${got.refused}`];
  }
  const touched = new Set(expected.touched ?? []);
  const wrong: string[] = [];
  for (const region of made.regions) {
    if (touched.has(region)) continue;
    const { name, seq, paddr, vaddr, bytes } = region;
    const load = core.loads.find(each => each.paddr === BigInt(paddr) && each.vaddr === vaddr);
    if (load === undefined) wrong.push(`${name}${seq} has no PT_LOAD`);
    else if (load.filesz !== bytes.length || load.memsz !== bytes.length)
      wrong.push(`${name}${seq} has ${load.filesz} bytes`);
    else if (!equal(core.core, load.offset, bytes, 0, bytes.length)) wrong.push(`${name}${seq} has other bytes`);
    const rows = result.regions.filter(row => row.paddr === paddr);
    if (!rows.some(({ status }) => status === 'ok'))
      wrong.push(`${name}${seq} is ${rows.map(({ status }) => status).join()}`);
  }
  wrong.push(...lies(core, [...made.regions, ...(expected.more ?? [])]));
  const messages = result.issues.map(({ code, message }) => `${code}: ${message}`).join(' | ');
  if (expected.named !== undefined && !expected.named.test(messages)) wrong.push(`not named: ${expected.named}`);
  if (expected.complete !== undefined && result.complete !== expected.complete)
    wrong.push(`complete: ${result.complete}`);
  return wrong.map(sentence => `${label}: ${sentence} (${messages})`);
}

/** PT_LOADs that show other bytes than memory had at their addresses. */
function lies(core: ElfWalk, truth: readonly MadeRegion[]): string[] {
  const found: string[] = [];
  for (const { paddr, offset, filesz, memsz } of core.loads) {
    if (memsz > filesz) found.push(`p_memsz beyond p_filesz at 0x${paddr.toString(16)}: tools show zeros there`);
    for (const region of truth) {
      const from = Math.max(Number(paddr), region.paddr);
      const to = Math.min(Number(paddr) + filesz, region.paddr + region.bytes.length);
      if (to > from && !equal(core.core, offset + from - Number(paddr), region.bytes, from - region.paddr, to - from)) {
        found.push(`other bytes at 0x${from.toString(16)} than ${region.name}${region.seq} has`);
      }
    }
  }
  return found;
}

function equal(a: Uint8Array, at: number, b: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[at + i] !== b[from + i]) return false;
  return true;
}

/** The values that a damaged field takes: 0, 1, one more, all ones, the sign bit flipped. */
export function* damagedValues(
  bytes: Uint8Array,
  at: number,
  size: number,
): Iterable<{ what: string; bytes: Uint8Array }> {
  const change = (what: string, put: (field: Uint8Array) => void) => {
    const copy = bytes.slice();
    put(copy.subarray(at, at + size));
    return { what, bytes: copy };
  };
  const all = [
    change('0', field => field.fill(0)),
    change('1', field => {
      field.fill(0);
      field[0] = 1;
    }),
    change('+1', field => {
      field[0] = (field[0] + 1) & 0xff;
    }),
    change('+256', field => {
      if (field.length > 1) field[1] = (field[1] + 1) & 0xff;
    }),
    change('all ones', field => field.fill(0xff)),
    change('sign bit', field => {
      field[size - 1] ^= 0x80;
    }),
  ];
  for (const { what, bytes: copy } of all) {
    if (!equal(copy, at, bytes, at, size)) yield { what, bytes: copy };
  }
}
