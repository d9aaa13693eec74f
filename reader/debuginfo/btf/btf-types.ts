// Types from BTF: of a kernel, or of a module on top of its kernel's (split BTF).
import {
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_TYPE_SIZE,
  btfKind,
  btfKindFlag,
  btfVlen,
} from '../../formats/btf.js';
import { Issues } from '../../issue.js';
import { baseTypeSpellings } from '../c-names.js';
import { type FunctionType, type NamedKind, type Type, type TypeOf, type Types, VOID } from '../types.js';
import { NameIndex } from './name-index.js';
import { BtfRecords } from './records.js';
import type { BtfSections } from './sections.js';
import { type BtfContext, enumeratorAt, enumeratorPosition, makeType } from './type-objects.js';

const INFO = 4;
const SIZE = 8;

const KINDS: Readonly<Record<NamedKind, readonly number[]>> = {
  struct: [BTF_KIND_STRUCT],
  union: [BTF_KIND_UNION],
  enum: [BTF_KIND_ENUM, BTF_KIND_ENUM64],
  typedef: [BTF_KIND_TYPEDEF],
  base: [BTF_KIND_INT, BTF_KIND_FLOAT],
};
const ENUMS = KINDS.enum;
const NAMED = Object.values(KINDS).flat();

/** A tag of a declaration (`__attribute__((btf_decl_tag))`). */
export interface DeclarationTag {
  readonly name: string;
  /** Which member or parameter it is on, from 0; null for the whole. */
  readonly component: number | null;
}

export interface SectionVariable {
  readonly name: string;
  readonly type: Type;
  /** Bytes from the section's start. */
  readonly offset: number;
  readonly size: number;
}

/** A section of variables, `.data..percpu` of kernels. */
export interface DataSection {
  readonly name: string;
  readonly size: number;
  readonly variables: readonly SectionVariable[];
}

export interface BtfOptions {
  /** Bytes of a pointer, which BTF does not tell. Default: as `unsigned long`. */
  readonly pointerSize?: 4 | 8;
  readonly issues?: Issues;
}

export interface SplitOptions {
  /** Where the split part's ids and strings begin, where that is known; else right behind the base's. */
  readonly startId?: number;
  readonly startName?: number;
  readonly issues?: Issues;
}

/** Ids of some kinds, found by name. */
interface NamedIds {
  readonly ids: Uint32Array;
  readonly names: NameIndex;
}

export class BtfTypes implements Types, BtfContext {
  readonly source = 'btf';
  readonly pointerSize: 4 | 8;
  readonly records: BtfRecords;
  readonly #base: BtfTypes | null;
  readonly #types = new Map<number, Type>();
  #named: NamedIds | null = null;
  #variables: NamedIds | null = null;
  #functions: NamedIds | null = null;
  #enumerators: EnumeratorIndex | null = null;
  #enumSigns: boolean | null = null;

  private constructor(records: BtfRecords, base: BtfTypes | null, pointerSize: 4 | 8 | undefined) {
    this.records = records;
    this.#base = base;
    this.pointerSize = pointerSize ?? base?.pointerSize ?? this.#longSize();
  }

  static open(sections: BtfSections, options: BtfOptions = {}): BtfTypes {
    const records = new BtfRecords(sections, null, options.issues ?? new Issues());
    return new BtfTypes(records, null, options.pointerSize);
  }

  /** Types of a module: what it refers to in its kernel's is found there; look-ups by name answer for the module's own only. */
  static openSplit(sections: BtfSections, base: BtfTypes, options: SplitOptions = {}): BtfTypes {
    const start = {
      records: base.records,
      startId: options.startId ?? base.records.endId,
      startName: options.startName ?? base.records.endName,
    };
    return new BtfTypes(new BtfRecords(sections, start, options.issues ?? base.records.issues), base, undefined);
  }

  get count(): number {
    return this.records.count;
  }

  get enumSigns(): boolean {
    this.#enumSigns ??= this.#base?.enumSigns === true || this.#anyEnumSign();
    return this.#enumSigns;
  }

  /** The type of an id, always the same object; void for 0, and with an issue for one that there is none of. */
  type(id: number): Type {
    if (id === 0) return VOID;
    if (id < this.records.startId && this.#base !== null) return this.#base.type(id);
    const known = this.#types.get(id);
    if (known !== undefined) return known;
    if (this.records.owner(id) === null) {
      this.records.issues.add('btf-bad-reference', `BTF: there is no type ${id}`);
      return VOID;
    }
    const type = makeType(this, id);
    this.#types.set(id, type);
    return type;
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    return this.all(kind, name)[0] ?? null;
  }

  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    this.#named ??= this.#index(NAMED);
    const found: TypeOf<K>[] = [];
    for (const spelling of kind === 'base' ? baseTypeSpellings(name) : [name]) {
      for (const i of this.#named.names.find(spelling)) {
        const id = this.#named.ids[i];
        // The record's kind is the one that was asked for, and so is the object's.
        if (this.#isWhole(id, KINDS[kind])) found.push(this.type(id) as TypeOf<K>);
      }
      if (found.length > 0) break;
    }
    return found;
  }

  variable(name: string): Type | null {
    this.#variables ??= this.#index([BTF_KIND_VAR]);
    const [i] = this.#variables.names.find(name);
    return i === undefined ? null : this.type(this.records.word(this.#variables.ids[i], SIZE));
  }

  *variables(): Iterable<string> {
    for (const id of this.#idsOf([BTF_KIND_VAR])) yield this.records.name(this.records.word(id, 0));
  }

  function(name: string): FunctionType | null {
    this.#functions ??= this.#index([BTF_KIND_FUNC]);
    const [i] = this.#functions.names.find(name);
    if (i === undefined) return null;
    const type = this.type(this.records.word(this.#functions.ids[i], SIZE));
    return type.kind === 'function' ? type : null;
  }

  enumerator(name: string): bigint | null {
    this.#enumerators ??= new EnumeratorIndex(this.records, this.#idsOf(ENUMS));
    const found = this.#enumerators.find(name);
    return found === null ? null : enumeratorAt(this, found.id, found.position);
  }

  *names(kind: NamedKind): Iterable<string> {
    const seen = new Set<string>();
    for (const id of this.#idsOf(KINDS[kind])) {
      if (!this.#isWhole(id, KINDS[kind])) continue;
      const name = this.records.name(this.records.word(id, 0));
      if (name === '' || seen.has(name)) continue;
      seen.add(name);
      yield name;
    }
  }

  /** The sections of variables; their names are those of the variables. */
  *dataSections(): Iterable<DataSection> {
    const { records } = this;
    for (const id of this.#idsOf([BTF_KIND_DATASEC])) {
      // struct btf_var_secinfo: type, offset, size
      const variables = Array.from({ length: btfVlen(records.word(id, INFO)) }, (_, i) => {
        const at = records.position(id) + BTF_TYPE_SIZE + i * 12;
        return { ...this.#declared(records.u32(at)), offset: records.u32(at + 4), size: records.u32(at + 8) };
      });
      yield { name: records.name(records.word(id, 0)), size: records.word(id, SIZE), variables };
    }
  }

  /** Tags of the struct, union, typedef, variable or function of that name, in their order. */
  declarationTags(kind: 'struct' | 'union' | 'typedef' | 'variable' | 'function', name: string): DeclarationTag[] {
    const { records } = this;
    const kinds = kind === 'variable' ? [BTF_KIND_VAR] : kind === 'function' ? [BTF_KIND_FUNC] : KINDS[kind];
    const tagged = new Set<number>();
    for (const id of this.#idsOf(kinds)) if (records.name(records.word(id, 0)) === name) tagged.add(id);
    const tags: DeclarationTag[] = [];
    for (const id of this.#idsOf([BTF_KIND_DECL_TAG])) {
      if (!tagged.has(records.word(id, SIZE))) continue;
      const component = records.word(id, BTF_TYPE_SIZE) | 0;
      tags.push({ name: records.name(records.word(id, 0)), component: component < 0 ? null : component });
    }
    return tags;
  }

  /** The variable of an id: its name, and the type it has. */
  #declared(id: number): { name: string; type: Type } {
    const owner = this.records.owner(id);
    if (owner === null || btfKind(owner.word(id, INFO)) !== BTF_KIND_VAR) return { name: '', type: VOID };
    return { name: owner.name(owner.word(id, 0)), type: this.type(owner.word(id, SIZE)) };
  }

  /** An enum without enumerators is a forward declaration. */
  #isWhole(id: number, kinds: readonly number[]): boolean {
    const info = this.records.word(id, INFO);
    const kind = btfKind(info);
    return kinds.includes(kind) && (!ENUMS.includes(kind) || btfVlen(info) > 0);
  }

  #idsOf(kinds: readonly number[]): Uint32Array {
    const { records } = this;
    const wanted = new Uint8Array(128);
    for (const kind of kinds) wanted[kind] = 1;
    const ids = new Uint32Array(records.count);
    let count = 0;
    for (let id = records.startId; id < records.endId; id++) {
      if (wanted[btfKind(records.word(id, INFO))] === 1) ids[count++] = id;
    }
    return ids.slice(0, count);
  }

  #index(kinds: readonly number[]): NamedIds {
    const ids = this.#idsOf(kinds);
    return {
      ids,
      names: new NameIndex(
        this.records,
        ids.map(id => this.records.word(id, 0)),
      ),
    };
  }

  #anyEnumSign(): boolean {
    return this.#idsOf(ENUMS).some(id => {
      const info = this.records.word(id, INFO);
      return btfKindFlag(info) || btfKind(info) === BTF_KIND_ENUM64;
    });
  }

  #longSize(): 4 | 8 {
    return this.find('base', 'unsigned long')?.size === 4 ? 4 : 8;
  }
}

/** Enumerators of all enums by name. */
class EnumeratorIndex {
  readonly #positions: Uint32Array;
  /** The enum of each. */
  readonly #owners: Uint32Array;
  readonly #names: NameIndex;

  constructor(records: BtfRecords, enums: Uint32Array) {
    let count = 0;
    for (const id of enums) count += btfVlen(records.word(id, INFO));
    this.#positions = new Uint32Array(count);
    this.#owners = new Uint32Array(count);
    let at = 0;
    for (const id of enums) {
      const own = btfVlen(records.word(id, INFO));
      for (let i = 0; i < own; i++, at++) {
        this.#positions[at] = enumeratorPosition(records, id, i);
        this.#owners[at] = id;
      }
    }
    this.#names = new NameIndex(
      records,
      this.#positions.map(position => records.u32(position)),
    );
  }

  find(name: string): { id: number; position: number } | null {
    const [i] = this.#names.find(name);
    return i === undefined ? null : { id: this.#owners[i], position: this.#positions[i] };
  }
}
