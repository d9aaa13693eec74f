// The header of a unit's line number program: the files that its lines are in, and how its operations count. Source: DWARF 5, section 6.2.4; versions 2 to 4 the same section of theirs.
import { InputError } from '../../fault.js';
import {
  DW_FORM_data1,
  DW_FORM_data2,
  DW_FORM_data4,
  DW_FORM_data8,
  DW_FORM_data16,
  DW_FORM_line_strp,
  DW_FORM_string,
  DW_FORM_strp,
  DW_FORM_udata,
  SIZE_LEB,
  SIZE_STRING,
} from '../../formats/dwarf.js';
import { DW_LNCT_directory_index, DW_LNCT_path } from '../../formats/dwarf-line.js';
import type { DwarfFile, Unit } from './units.js';
import type { Windows } from './windows.js';

/** No unit has more files, and no entry of one more fields. */
const MOST_FILES = 1 << 17;
/** Characters of all paths. */
const MOST_TEXT = 1 << 24;
const MOST_FIELDS = 32;
const DWARF64 = 0xffff_ffff;

export interface LineHeader {
  readonly section: Windows;
  readonly version: number;
  /** Of the first operation, and behind the last. */
  readonly start: number;
  readonly end: number;
  readonly minimumLength: number;
  readonly operationsPerInstruction: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operands of each standard opcode. */
  readonly operands: Uint8Array;
  /** Paths by file number; versions before 5 count from 1 (number 0 is ''). */
  readonly files: string[];
  readonly directories: readonly string[];
}

/** Throws InputError where the header is damaged. */
export function readLineHeader(file: DwarfFile, unit: Unit, offset: number, directory: string): LineHeader {
  const section = file.sections.need('debug_line');
  const first = section.u32(offset);
  const offsetSize = first === DWARF64 ? 8 : 4;
  let at = offset + (offsetSize === 8 ? 12 : 4);
  const length = offsetSize === 8 ? section.unsigned(offset + 4, 8) : first;
  const end = at + length;
  const version = section.u16(at);
  const wrong = (where: number, field: string, value: number, why: string) =>
    new InputError({ source: file.name, record: 'line number program', offset: where, field, value }, why);
  if (end > section.size) throw wrong(offset, 'unit_length', length, `the section has ${section.size} bytes`);
  if (version < 2 || version > 5) throw wrong(at, 'version', version, 'known are 2 to 5');
  at += version >= 5 ? 4 : 2;
  const start = at + offsetSize + section.unsigned(at, offsetSize);
  if (start > end) throw wrong(at, 'header_length', start - at, 'the header passes the end of the program');
  at += offsetSize;
  const minimumLength = section.u8(at++);
  const operationsPerInstruction = version >= 4 ? section.u8(at++) : 1;
  // default_is_stmt is passed over: every row counts.
  const lineBase = (section.u8(at + 1) << 24) >> 24;
  const lineRange = section.u8(at + 2);
  const opcodeBase = section.u8(at + 3);
  at += 4;
  if (lineRange === 0) throw wrong(at - 2, 'line_range', 0, 'operations cannot be divided by it');
  if (opcodeBase === 0) throw wrong(at - 1, 'opcode_base', 0, 'it is 1 at least');
  const operands = section.copy(at, opcodeBase - 1);
  at += opcodeBase - 1;
  const tables = new NameTables(file, unit, section, directory, start);
  if (version >= 5) tables.read5(at, offsetSize);
  else tables.read4(at);
  const { files, directories } = tables;
  const counts = { minimumLength, operationsPerInstruction: Math.max(1, operationsPerInstruction) };
  return { section, version, start, end, ...counts, lineBase, lineRange, opcodeBase, operands, files, directories };
}

class NameTables {
  readonly directories: string[] = [];
  readonly files: string[] = [];
  readonly #file: DwarfFile;
  readonly #unit: Unit;
  readonly #section: Windows;
  readonly #directory: string;
  readonly #end: number;
  #characters = 0;

  constructor(file: DwarfFile, unit: Unit, section: Windows, directory: string, end: number) {
    this.#file = file;
    this.#unit = unit;
    this.#section = section;
    this.#directory = directory;
    this.#end = end;
  }

  /** Lists of strings, each ended by an empty one. */
  read4(from: number): void {
    const section = this.#section;
    this.directories.push(this.#directory);
    let at = from;
    for (;;) {
      const { text, next } = this.#string(at);
      at = next;
      if (text === '') break;
      this.directories.push(this.#joined(this.#directory, text));
      this.#bound(this.directories.length, at);
    }
    this.files.push('');
    for (;;) {
      const { text, next } = this.#string(at);
      if (text === '') break;
      const directory = section.uleb(next);
      // Time and size follow.
      at = section.lebEnd(section.lebEnd(section.lebEnd(next)));
      this.files.push(this.#joined(this.directories[directory] ?? '', text));
      this.#bound(this.files.length, at);
    }
  }

  /** Lists whose entries tell their own format. */
  read5(from: number, offsetSize: 4 | 8): void {
    let at = from;
    at = this.#entries(at, offsetSize, path => this.directories.push(this.#joined(this.#directory, path)));
    this.#entries(at, offsetSize, (path, directory) =>
      this.files.push(this.#joined(this.directories[directory] ?? '', path)),
    );
  }

  #entries(from: number, offsetSize: 4 | 8, add: (path: string, directory: number) => void): number {
    const section = this.#section;
    const fields: { content: number; form: number }[] = [];
    let at = from + 1;
    for (let i = section.u8(from); i > 0; i--) {
      const content = section.uleb(at);
      at = section.lebEnd(at);
      fields.push({ content, form: section.uleb(at) });
      at = section.lebEnd(at);
      if (fields.length > MOST_FIELDS) this.#bound(MOST_FILES + 1, at);
    }
    const count = section.uleb(at);
    at = section.lebEnd(at);
    // Entries of no bytes would make any count possible.
    this.#bound(fields.length === 0 && count > 0 ? MOST_FILES + 1 : count, at);
    for (let i = 0; i < count; i++) {
      let path = '';
      let directory = 0;
      for (const { content, form } of fields) {
        if (content === DW_LNCT_path) path = this.#text(at, form, offsetSize);
        else if (content === DW_LNCT_directory_index) directory = this.#number(at, form);
        at = this.#behind(at, form);
      }
      add(path, directory);
    }
    return at;
  }

  #text(at: number, form: number, offsetSize: 4 | 8): string {
    const { sections } = this.#file;
    if (form === DW_FORM_string) return this.#section.text(at);
    if (form !== DW_FORM_line_strp && form !== DW_FORM_strp) return '';
    const section = sections.need(form === DW_FORM_strp ? 'debug_str' : 'debug_line_str');
    return section.text(this.#section.unsigned(at, offsetSize));
  }

  #number(at: number, form: number): number {
    if (form === DW_FORM_udata) return this.#section.uleb(at);
    const size = NUMBERS.get(form) ?? 0;
    return size === 0 ? 0 : this.#section.unsigned(at, size);
  }

  #behind(at: number, form: number): number {
    const size = form === DW_FORM_data16 ? 16 : this.#file.sizeOfForm(this.#unit, form);
    if (size === SIZE_LEB) return this.#section.lebEnd(at);
    if (size === SIZE_STRING) return this.#string(at).next;
    this.#bound(size < 0 ? MOST_FILES + 1 : 0, at);
    return at + size;
  }

  #string(at: number): { text: string; next: number } {
    const start = this.#section.reach(at, 4096);
    const end = this.#section.bytes.indexOf(0, start);
    if (end < 0 || end >= this.#section.filled) throw this.#section.past(at, 4096);
    return { text: this.#section.text(at), next: at + end - start + 1 };
  }

  #joined(directory: string, path: string): string {
    const whole = joined(directory, path);
    this.#characters += whole.length;
    if (this.#characters > MOST_TEXT) this.#bound(MOST_FILES + 1, this.#end);
    return whole;
  }

  #bound(count: number, at: number): void {
    if (count <= MOST_FILES && at <= this.#end) return;
    throw new InputError(
      { source: this.#file.name, record: 'line number program', offset: at, field: 'file_names', value: count },
      'no header has such a table',
      'the debug information is damaged',
    );
  }
}

const NUMBERS: ReadonlyMap<number, number> = new Map([
  [DW_FORM_data1, 1],
  [DW_FORM_data2, 2],
  [DW_FORM_data4, 4],
  [DW_FORM_data8, 8],
]);

/** A path below a directory; one that begins at the root is whole. */
function joined(directory: string, path: string): string {
  return plain(path.startsWith('/') || directory === '' ? path : path === '' ? directory : `${directory}/${path}`);
}

/** Without `.` and `..` inside, as long as there is a folder to leave. */
function plain(path: string): string {
  if (!path.includes('./')) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    const last = parts.at(-1);
    if (part === '..' && last !== undefined && last !== '' && last !== '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
