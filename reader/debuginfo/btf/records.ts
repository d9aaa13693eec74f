// The index of BTF: where each type's record begins in the bytes as they lie there. Nothing is decoded before it is asked for. Source: include/uapi/linux/btf.h, kernel/bpf/btf.c (7.3).
import {
  BTF_EXTRAS,
  BTF_KIND_CONST,
  BTF_KIND_DECL_TAG,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
  BTF_MAX_TYPE,
  BTF_TYPE_SIZE,
  type BtfExtra,
  btfKind,
  btfVlen,
} from '../../formats/btf.js';
import type { Issues } from '../../issue.js';
import type { BtfSections } from './sections.js';

const utf8 = new TextDecoder('utf-8');
/** KSYM_NAME_LEN: the kernel itself takes no longer name. */
const MOST_NAME = 512;
const HASHED = 64;
/** FNV-1a's start and factor. */
const HASH_START = 0x811c9dc5;
const HASH_FACTOR = 0x01000193;

/** Kinds whose record's third word is a type's id. */
const REFERRING = new Uint8Array(128);
for (const kind of [
  BTF_KIND_PTR,
  BTF_KIND_TYPEDEF,
  BTF_KIND_VOLATILE,
  BTF_KIND_CONST,
  BTF_KIND_RESTRICT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_VAR,
  BTF_KIND_DECL_TAG,
  BTF_KIND_TYPE_TAG,
]) {
  REFERRING[kind] = 1;
}

/** What split BTF goes on from. */
export interface BtfBase {
  readonly records: BtfRecords;
  /** Where the split BTF's own ids and strings begin; normally right behind the base's. */
  readonly startId: number;
  readonly startName: number;
}

export class BtfRecords {
  readonly base: BtfRecords | null;
  /** The first id that is here; 1 if there is no base (0 is void). */
  readonly startId: number;
  /** One past the last id. */
  readonly endId: number;
  /** The offset by which the first string here is named. */
  readonly startName: number;
  readonly endName: number;
  readonly view: DataView;
  readonly littleEndian: boolean;
  readonly issues: Issues;
  readonly #strings: Uint8Array;
  /** By id - startId. */
  readonly #positions: Uint32Array;

  constructor(sections: BtfSections, base: BtfBase | null, issues: Issues) {
    const { types, strings, littleEndian } = sections;
    this.base = base?.records ?? null;
    this.startId = base?.startId ?? 1;
    this.startName = base?.startName ?? 0;
    this.endName = this.startName + sections.stringsLength;
    this.view = new DataView(types.buffer, types.byteOffset, types.byteLength);
    this.littleEndian = littleEndian;
    this.issues = issues;
    this.#strings = strings;
    this.#positions = index(this.view, littleEndian, extrasWith(sections.layout), this.startId, issues);
    this.endId = this.startId + this.#positions.length;
  }

  /** How many types are here, without the base's. */
  get count(): number {
    return this.#positions.length;
  }

  /** Where the record of an id of this part begins in `view`. */
  position(id: number): number {
    return this.#positions[id - this.startId];
  }

  /** A word of the record of an id of this part. */
  word(id: number, at: number): number {
    return this.view.getUint32(this.#positions[id - this.startId] + at, this.littleEndian);
  }

  u32(position: number): number {
    return this.view.getUint32(position, this.littleEndian);
  }

  /** The part that has an id; null if none has it. */
  owner(id: number): BtfRecords | null {
    if (id >= this.startId) return id < this.endId ? this : null;
    return this.base?.owner(id) ?? null;
  }

  /** Whether no type is derived from one that is not here: of split BTF many are. */
  selfContained(): boolean {
    for (let id = this.startId; id < this.endId; id++) {
      if (REFERRING[btfKind(this.word(id, 4))] === 1 && this.word(id, 8) >= this.endId) return false;
    }
    return true;
  }

  /** The text of a name; '' for no name, and with an issue for one that is not there or does not end. */
  name(offset: number): string {
    if (offset === 0) return '';
    if (offset < this.startName) return this.base?.name(offset) ?? '';
    const start = offset - this.startName;
    // Not searched further: a string section of megabytes without a NUL may be named a million times.
    const text = this.#strings.subarray(start, start + MOST_NAME);
    const length = text.indexOf(0);
    if (length >= 0) return utf8.decode(text.subarray(0, length));
    this.issues.add('btf-bad-name', `BTF: a name at offset ${offset} of the string section is not there`);
    return '';
  }

  /** Whether the name at `offset` is this text. */
  nameIs(offset: number, text: Uint8Array): boolean {
    if (offset < this.startName) return this.base?.nameIs(offset, text) ?? false;
    const strings = this.#strings;
    const start = offset - this.startName;
    for (let i = 0; i < text.length; i++) if (strings[start + i] !== text[i]) return false;
    return strings[start + text.length] === 0;
  }

  /** The same for a name as `hashText` gives for its text. */
  hashName(offset: number): number {
    if (offset < this.startName) return this.base === null ? 0 : this.base.hashName(offset);
    const strings = this.#strings;
    let hash = HASH_START;
    const start = offset - this.startName;
    const end = Math.min(start + HASHED, strings.length);
    for (let i = start; i < end; i++) {
      const byte = strings[i];
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, HASH_FACTOR);
    }
    return hash;
  }
}

export function hashText(text: Uint8Array): number {
  let hash = HASH_START;
  const end = Math.min(HASHED, text.length);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ text[i], HASH_FACTOR);
  return hash;
}

/** Kinds that are newer than this reader are passed over by what the layout section says of them. */
function extrasWith(layout: readonly (BtfExtra | undefined)[]): readonly (BtfExtra | undefined)[] {
  return layout.length > BTF_EXTRAS.length ? [...BTF_EXTRAS, ...layout.slice(BTF_EXTRAS.length)] : BTF_EXTRAS;
}

/** One pass over the type section. It ends at the first record that cannot be one: all ids from there on are lost. */
function index(
  view: DataView,
  littleEndian: boolean,
  extras: readonly (BtfExtra | undefined)[],
  startId: number,
  issues: Issues,
): Uint32Array {
  const end = view.byteLength;
  const most = Math.min(Math.floor(end / BTF_TYPE_SIZE), Math.max(0, BTF_MAX_TYPE - startId));
  const positions = new Uint32Array(most);
  const fixed = new Uint8Array(128);
  const element = new Uint8Array(128);
  const known = new Uint8Array(128);
  for (const [kind, one] of extras.entries()) {
    if (one === undefined) continue;
    known[kind] = 1;
    fixed[kind] = one.fixed;
    element[kind] = one.element;
  }
  let at = 0;
  let count = 0;
  while (count < most && at + BTF_TYPE_SIZE <= end) {
    const info = view.getUint32(at + 4, littleEndian);
    const kind = btfKind(info);
    const next = at + BTF_TYPE_SIZE + fixed[kind] + element[kind] * btfVlen(info);
    if (known[kind] === 0 || next > end) break;
    positions[count++] = at;
    at = next;
  }
  if (at !== end) {
    issues.add(
      'btf-damaged',
      `BTF: the record of type ${startId + count} at ${at} of the type section's ${end} bytes cannot be one; the types from there on are unknown`,
    );
  }
  return positions.slice(0, count);
}
