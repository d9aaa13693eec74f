// Writes the records of a small, valid input field by field and remembers where each field lies: the tables that hostile input is generated from.

/** A field of a record: its name and its width in bytes. */
export interface FieldShape {
  readonly name: string;
  readonly width: 1 | 2 | 4 | 8;
}

/** A record's fields in order, from text such as `e_type:2 e_machine:2 e_version:4`. */
export function shape(text: string): readonly FieldShape[] {
  return text.split(/\s+/).map(item => {
    const [name, width] = item.split(':');
    return { name, width: Number(width) as FieldShape['width'] };
  });
}

/** A field in a file. */
export interface Field extends FieldShape {
  /** The record's name, with its number where there are several. */
  readonly record: string;
  readonly offset: number;
  readonly littleEndian: boolean;
}

export type Values = Readonly<Record<string, number | bigint>>;

export class Recorder {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly fields: Field[] = [];
  /** Where structures begin and end: what a truncation cuts at. */
  readonly edges = new Set<number>();
  readonly littleEndian: boolean;

  readonly #remembers: boolean;

  /** @param remembers false for inputs of so many records that they are not broken one by one */
  constructor(size: number, littleEndian: boolean, remembers = true) {
    this.#remembers = remembers;
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
    this.littleEndian = littleEndian;
  }

  /** Writes a record; fields without a value are 0. Returns where it ends. */
  record(
    name: string,
    at: number,
    fields: readonly FieldShape[],
    values: Values,
    littleEndian = this.littleEndian,
  ): number {
    let offset = at;
    for (const field of fields) {
      setField(this.view, { ...field, offset, littleEndian }, BigInt(values[field.name] ?? 0));
      if (this.#remembers) this.fields.push({ ...field, record: name, offset, littleEndian });
      offset += field.width;
    }
    this.edge(at);
    return this.edge(offset);
  }

  /** Writes bytes that have no fields of their own. Returns where they end. */
  put(at: number, bytes: Uint8Array): number {
    this.bytes.set(bytes, at);
    this.edge(at);
    return this.edge(at + bytes.length);
  }

  text(at: number, text: string): number {
    return this.put(at, new TextEncoder().encode(text));
  }

  edge(at: number): number {
    if (this.#remembers) this.edges.add(at);
    return at;
  }
}

export function getField(view: DataView, field: Pick<Field, 'offset' | 'width' | 'littleEndian'>): bigint {
  const { offset, width, littleEndian } = field;
  if (width === 8) return view.getBigUint64(offset, littleEndian);
  return BigInt(
    width === 4
      ? view.getUint32(offset, littleEndian)
      : width === 2
        ? view.getUint16(offset, littleEndian)
        : view.getUint8(offset),
  );
}

/** Writes `value` modulo the field's width. */
export function setField(view: DataView, field: Pick<Field, 'offset' | 'width' | 'littleEndian'>, value: bigint): void {
  const { offset, width, littleEndian } = field;
  if (width === 8) view.setBigUint64(offset, BigInt.asUintN(64, value), littleEndian);
  else if (width === 4) view.setUint32(offset, Number(BigInt.asUintN(32, value)), littleEndian);
  else if (width === 2) view.setUint16(offset, Number(BigInt.asUintN(16, value)), littleEndian);
  else view.setUint8(offset, Number(BigInt.asUintN(8, value)));
}
