// What a named type looks like, as a text of fixed length: each unit has a copy of the types of its headers, and copies look alike. What a type refers to counts by its name.
import {
  DW_AT_byte_size,
  DW_AT_const_value,
  DW_AT_count,
  DW_AT_declaration,
  DW_AT_encoding,
  DW_AT_name,
  DW_AT_type,
  DW_AT_upper_bound,
  DW_TAG_array_type,
  DW_TAG_enumeration_type,
  DW_TAG_enumerator,
  DW_TAG_structure_type,
  DW_TAG_subrange_type,
  DW_TAG_subroutine_type,
  DW_TAG_union_type,
} from '../../formats/dwarf.js';
import type { DwarfUnits } from './dwarf-units.js';
import type { EntryCursor } from './entries.js';
import { decodeMember } from './members.js';

/** How many links a reference is followed until a name, and how many entries all in all: past these all look alike. */
const MOST_LINKS = 8;
const MOST_ENTRIES = 10_000;
/** Levels of cursors that are this file's own. */
const LEVEL = 80;

const COMPOUNDS: ReadonlySet<number> = new Set([DW_TAG_structure_type, DW_TAG_union_type]);

/** Throws InputError for damage. */
export function signatureOf(units: DwarfUnits, place: number): string {
  return hashOf(new Looker(units).whole(place));
}

/** Two sums of 32 bits (FNV-1a, and one like it): the texts themselves are as long as a damaged file likes. */
function hashOf(text: string): string {
  let first = 0x811c9dc5;
  let second = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    first = Math.imul(first ^ code, 0x01000193);
    second = Math.imul(second ^ (code + i), 0x85ebca6b);
    second ^= second >>> 13;
  }
  return `${(first >>> 0).toString(36)} ${(second >>> 0).toString(36)}`;
}

class Looker {
  readonly #units: DwarfUnits;
  #left = MOST_ENTRIES;

  constructor(units: DwarfUnits) {
    this.#units = units;
  }

  /** Size and parts of a struct, union or enum; of a typedef what it stands for. */
  whole(place: number): string {
    const cursor = this.#units.read(place, LEVEL);
    const { tag } = cursor;
    const size = cursor.number(DW_AT_byte_size) ?? '';
    if (COMPOUNDS.has(tag)) return `${size}{${this.#members(cursor, 0)}}`;
    if (tag !== DW_TAG_enumeration_type) return this.#referred(cursor.reference(DW_AT_type), 1);
    const values: string[] = [];
    for (const child of this.#units.children(cursor)) {
      this.#units.read(child, LEVEL);
      if (cursor.tag !== DW_TAG_enumerator) continue;
      const name = cursor.text(DW_AT_name);
      if (this.#spent(name)) break;
      values.push(`${name}=${cursor.bigAt(cursor.find(DW_AT_const_value)) ?? ''}`);
    }
    return `${size}{${values.join()}}`;
  }

  /** Whether there were too many entries; a long name counts as several. */
  #spent(name: string): boolean {
    this.#left -= 1 + (name.length >> 5);
    return this.#left <= 0;
  }

  #members(cursor: EntryCursor, links: number): string {
    const parts: string[] = [];
    const level = LEVEL + links;
    for (const child of this.#units.children(cursor)) {
      if (this.#left <= 0) return '…';
      const member = decodeMember(this.#units.read(child, level), () => 8);
      if (member === null) continue;
      const { name, bitOffset, bitSize } = member;
      if (this.#spent(name)) return '…';
      parts.push(`${name}@${bitOffset}:${bitSize} ${this.#referred(member.type, links + 1)}`);
    }
    return parts.join();
  }

  /** Up to the next name. */
  #referred(from: number, links: number): string {
    let place = from;
    let text = '';
    for (let i = links; place >= 0; i++) {
      if (i >= MOST_LINKS || this.#left-- <= 0) return `${text}…`;
      const cursor = this.#units.read(place, LEVEL + i);
      const { tag } = cursor;
      const name = cursor.text(DW_AT_name);
      // The definition of what is only declared may be elsewhere: both have the same name.
      if (name !== '') return `${text}${tag}:${name}`;
      if (COMPOUNDS.has(tag)) return `${text}${tag}{${cursor.flag(DW_AT_declaration) ? '' : this.#members(cursor, i)}}`;
      const next = cursor.reference(DW_AT_type);
      text += `${tag}${this.#own(cursor, tag)} `;
      place = next;
    }
    return text;
  }

  /** What an entry without name has of its own. */
  #own(cursor: EntryCursor, tag: number): string {
    if (tag === DW_TAG_enumeration_type) return `/${cursor.number(DW_AT_byte_size)}`;
    if (tag !== DW_TAG_array_type && tag !== DW_TAG_subroutine_type) return `${cursor.number(DW_AT_encoding) ?? ''}`;
    const parts: string[] = [];
    for (const child of this.#units.children(cursor)) {
      if (this.#left-- <= 0) return '…';
      cursor.read(cursor.unit, child - cursor.unit.base);
      if (cursor.tag === DW_TAG_subrange_type) {
        const bound = cursor.find(DW_AT_upper_bound);
        parts.push(`${(bound < 0 ? null : cursor.bigAt(bound)) ?? cursor.number(DW_AT_count) ?? ''}`);
      } else parts.push(`${cursor.tag}`);
    }
    return `[${parts.join()}]`;
  }
}
