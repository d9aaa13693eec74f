// Types from DWARF.
import { DW_AT_const_value, DW_AT_type, DW_TAG_enumerator, DW_TAG_subprogram } from '../../formats/dwarf.js';
import type { Issues } from '../../issue.js';
import { baseTypeSpellings } from '../c-names.js';
import type { FunctionType, NamedKind, Type, TypeOf, Types } from '../types.js';
import type { Dwarf } from './dwarf.js';
import { NO_PLACE } from './entries.js';
import { BASE, ENUM, ENUMERATOR, FUNCTION, STRUCT, TYPEDEF, UNION, VARIABLE } from './named-entries.js';
import { ENUMERATORS, NESTED, OBJECTS, TYPES } from './scan.js';
import { type Definitions, TypeReader } from './type-reader.js';

const KINDS: Readonly<Record<NamedKind, number>> = {
  struct: STRUCT,
  union: UNION,
  enum: ENUM,
  typedef: TYPEDEF,
  base: BASE,
};

/**
 * Types are indexed by name as far as questions need it, a variable or function that no unit has for all others takes all units. Of damaged entries an issue tells; they
 * have no type or no members.
 */
export class DwarfTypes implements Types {
  readonly source = 'dwarf';
  readonly pointerSize: 4 | 8;
  readonly issues: Issues;
  readonly #dwarf: Dwarf;
  readonly #reader: TypeReader;

  constructor(dwarf: Dwarf) {
    this.#dwarf = dwarf;
    this.issues = dwarf.issues;
    const unit = dwarf.file.info.get(0);
    this.pointerSize =
      unit?.addressSize === 4 ? 4 : unit === null && dwarf.file.sections.file.header.bits === 32 ? 4 : 8;
    const definitions: Definitions = {
      first: (kind, name) => dwarf.index.first(TYPES, kind, name),
      firstBefore: (kind, name, place) => {
        dwarf.index.reach(TYPES, place);
        return dwarf.index.known(kind, name);
      },
    };
    this.#reader = new TypeReader(dwarf.units, definitions);
  }

  /** Types that were indexed so far. */
  get count(): number {
    return this.#dwarf.index.entries.types;
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    const { index } = this.#dwarf;
    for (const group of [TYPES, NESTED]) {
      for (const spelling of spellingsOf(kind, name)) {
        const place = index.first(group, KINDS[kind], spelling);
        const type = place < 0 ? null : this.#typed(kind, place);
        if (type !== null) return type;
      }
    }
    return null;
  }

  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    const { index } = this.#dwarf;
    index.finish(TYPES);
    index.finish(NESTED);
    const found = new Set<TypeOf<K>>();
    for (const spelling of spellingsOf(kind, name)) {
      for (const place of index.places(KINDS[kind], spelling)) {
        const type = this.#typed(kind, place);
        if (type !== null) found.add(type);
      }
    }
    return [...found];
  }

  /** The type at a place, if it is of the kind that the index says. */
  #typed<K extends NamedKind>(kind: K, place: number): TypeOf<K> | null {
    const type = this.#reader.at(place);
    const is = type.kind === 'int' || type.kind === 'float' ? 'base' : type.kind;
    return is === kind ? (type as TypeOf<K>) : null;
  }

  variable(name: string): Type | null {
    const { index, units } = this.#dwarf;
    const place = index.best(VARIABLE, name);
    if (place < 0) return null;
    const target = units.guard(() => units.followed(units.read(place), DW_AT_type), NO_PLACE);
    return target < 0 ? null : this.#reader.at(target);
  }

  *variables(): Iterable<string> {
    const { index } = this.#dwarf;
    index.finish(OBJECTS);
    for (const id of index.entries.names(VARIABLE)) yield index.names.text(id);
  }

  enumerator(name: string): bigint | null {
    const { index, units } = this.#dwarf;
    const place = index.first(ENUMERATORS, ENUMERATOR, name);
    if (place < 0) return null;
    return units.guard(() => {
      const cursor = units.read(place);
      const at = cursor.tag === DW_TAG_enumerator ? cursor.find(DW_AT_const_value) : -1;
      return at < 0 ? null : cursor.bigAt(at);
    }, null);
  }

  function(name: string): FunctionType | null {
    const { index, units } = this.#dwarf;
    const place = index.best(FUNCTION, name);
    if (place < 0) return null;
    return units.guard(
      () => (units.read(place).tag === DW_TAG_subprogram ? this.#reader.prototype(place) : null),
      null,
    );
  }

  *names(kind: NamedKind): Iterable<string> {
    const { index } = this.#dwarf;
    index.finish(TYPES);
    index.finish(NESTED);
    for (const id of index.entries.names(KINDS[kind])) yield index.names.text(id);
  }
}

const spellingsOf = (kind: NamedKind, name: string): readonly string[] =>
  kind === 'base' ? baseTypeSpellings(name) : [name];
