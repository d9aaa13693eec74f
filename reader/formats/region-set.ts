// Region sets as files: what a user wants registered, by symbol, by address range, by type of object. JSON:
//   { "regionSet": 1, "regions": [ {"symbol": "page_offset_base"}, {"vaddr": "0xffff…", "length": 4096, "name": "mine"}, {"paddr": "0x1000", "length": 64, "id": 60}, {"type": "task_struct"} ] }
// Of a symbol a part ("offset", "length"), and of a per-CPU variable every possible CPU's copy ("perCpu": true). "thisDump": true marks an address that means nothing in another
// dump; "boot" beside "regions" then says of which kernel and boot it is.
import { InputError } from '../fault.js';
import { jsonErrorOffset, jsonOffset } from './json-place.js';
import type { Vmcoreinfo } from './vmcoreinfo.js';

interface Named {
  /** null: the symbol's or type's name, or none. */
  readonly name: string | null;
  /** null: a dynamic one. */
  readonly id: number | null;
}

/** An address that holds for one dump only. */
interface OfDump {
  readonly thisDump?: true;
}

export type RegionRequest =
  /** A variable, from `offset` on (0 if absent); `length` null: to its end. `perCpu`: each possible CPU's copy. */
  | (Named & {
      readonly kind: 'symbol';
      readonly symbol: string;
      readonly offset?: number;
      readonly length: number | null;
      readonly perCpu?: true;
    })
  /** A range by virtual address, and where it is known by its physical one too. */
  | (Named &
      OfDump & {
        readonly kind: 'virtual';
        readonly vaddr: bigint;
        readonly paddr: number | null;
        readonly length: number;
      })
  | (Named & OfDump & { readonly kind: 'physical'; readonly paddr: number; readonly length: number })
  /** All objects of a type. */
  | (Named & { readonly kind: 'type'; readonly type: string });

export interface RegionSetFile {
  /** Which kernel and boot `thisDump` means; see `bootOf`. */
  readonly boot?: string;
  readonly regions: readonly RegionRequest[];
}

/** The only version there is. */
export const REGION_SET_VERSION = 1;
/** A set of more regions is a mistake: no firmware's table has a hundredth of it. */
export const MOST_REGION_REQUESTS = 65536;
const LONGEST_NAME = 128;
const KEYS = new Set(['symbol', 'vaddr', 'paddr', 'type', 'offset', 'length', 'perCpu', 'thisDump', 'name', 'id']);
const LONGEST_BOOT = 512;

/** A boot of a kernel by what VMCOREINFO says of it: two boots without KASLR cannot be told apart. */
export function bootOf(vmcoreinfo: Vmcoreinfo | null): string {
  if (vmcoreinfo === null) return '';
  const base = vmcoreinfo.symbol('_stext');
  const words = [
    vmcoreinfo.release,
    vmcoreinfo.buildId,
    base === undefined ? undefined : `_stext 0x${base.toString(16)}`,
  ];
  return words.filter(word => word !== undefined).join(' ');
}

/** Decodes a region set. Throws InputError with the region's number and the field. */
export function decodeRegionSet(text: string, source: string): RegionSetFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(
      { source, record: 'region set', offset: jsonErrorOffset(text), field: 'content' },
      'from here on it is not JSON',
    );
  }
  const set: Place = { source, record: 'region set', json: text, path: [] };
  if (!isRecord(value))
    throw new InputError({ source, record: 'region set', offset: 0, field: 'content' }, 'expected a JSON object');
  if (value['regionSet'] !== REGION_SET_VERSION) {
    throw new InputError(
      { ...fieldPlace(set, 'regionSet'), value: shown(value['regionSet']) },
      `expected ${REGION_SET_VERSION}, the version of the format`,
    );
  }
  const regions = value['regions'];
  if (!Array.isArray(regions) || regions.length > MOST_REGION_REQUESTS) {
    throw new InputError(fieldPlace(set, 'regions'), `expected a list of at most ${MOST_REGION_REQUESTS} regions`);
  }
  const boot = optional(value, 'boot', set, bootText);
  return {
    ...(boot === null ? {} : { boot }),
    regions: regions.map((region, i) => decodeRegion(region, { ...set, record: `region ${i}`, path: ['regions', i] })),
  };
}

/** A region set as text, one region a line. */
export function encodeRegionSet(set: RegionSetFile): string {
  const lines = set.regions.map(region => `  ${encodeRegion(region)}`);
  const boot = set.boot === undefined ? '' : `"boot": ${JSON.stringify(set.boot)}, `;
  return `{"regionSet": ${REGION_SET_VERSION}, ${boot}"regions": [\n${lines.join(',\n')}\n]}\n`;
}

interface Place {
  readonly source: string;
  readonly record: string;
  readonly json: string;
  /** Names and numbers that lead to the record. */
  readonly path: readonly (string | number)[];
}

const fieldPlace = ({ source, record, json, path }: Place, field: string) => ({
  source,
  record,
  offset: jsonOffset(json, [...path, field]),
  field,
});

function decodeRegion(value: unknown, place: Place): RegionRequest {
  if (!isRecord(value))
    throw new InputError({ ...fieldPlace(place, 'regions'), value: shown(value) }, 'expected a JSON object');
  for (const key of Object.keys(value)) {
    if (!KEYS.has(key))
      throw new InputError(
        { ...fieldPlace(place, key), field: shown(key) },
        `there is no such field; expected ${[...KEYS].join(', ')}`,
      );
  }
  const named = { name: optional(value, 'name', place, text), id: optional(value, 'id', place, wholeNumber) };
  if (value['symbol'] !== undefined) {
    only(value, ['vaddr', 'paddr', 'type', 'thisDump'], 'symbol', place);
    const offset = optional(value, 'offset', place, wholeNumber);
    return {
      kind: 'symbol',
      symbol: text(value['symbol'], 'symbol', place),
      ...(offset === null ? {} : { offset }),
      ...(flag(value, 'perCpu', place) ? { perCpu: true } : {}),
      length: optional(value, 'length', place, length),
      ...named,
    };
  }
  if (value['type'] !== undefined) {
    only(value, ['vaddr', 'paddr', 'offset', 'length', 'perCpu', 'thisDump', 'id'], 'type', place);
    return { kind: 'type', type: text(value['type'], 'type', place), ...named };
  }
  only(value, ['offset', 'perCpu'], 'an address', place);
  const ofDump = flag(value, 'thisDump', place) ? ({ thisDump: true } as const) : {};
  const vaddr = optional(value, 'vaddr', place, address);
  const paddr = optional(value, 'paddr', place, physical);
  if (vaddr !== null) {
    return { kind: 'virtual', vaddr, paddr, length: length(value['length'], 'length', place), ...ofDump, ...named };
  }
  if (paddr !== null)
    return { kind: 'physical', paddr, length: length(value['length'], 'length', place), ...ofDump, ...named };
  throw new InputError(fieldPlace(place, 'symbol'), 'there is none, and neither vaddr, paddr nor type');
}

type Decode<T> = (value: unknown, field: string, place: Place) => T;

function optional<T>(value: Record<string, unknown>, field: string, place: Place, decode: Decode<T>): T | null {
  return value[field] === undefined || value[field] === null ? null : decode(value[field], field, place);
}

function only(value: Record<string, unknown>, others: readonly string[], what: string, place: Place): void {
  for (const other of others) {
    if (value[other] !== undefined)
      throw new InputError(fieldPlace(place, other), `it does not go together with ${what}`);
  }
}

function text(value: unknown, field: string, place: Place): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= LONGEST_NAME) return value;
  throw new InputError(
    { ...fieldPlace(place, field), value: shown(value) },
    `expected text of 1 to ${LONGEST_NAME} characters`,
  );
}

const bootText: Decode<string> = (value, field, place) => {
  if (typeof value === 'string' && value.length <= LONGEST_BOOT) return value;
  throw new InputError(
    { ...fieldPlace(place, field), value: shown(value) },
    `expected text of at most ${LONGEST_BOOT} characters`,
  );
};

/** True or absent. */
function flag(value: Record<string, unknown>, field: string, place: Place): boolean {
  const said = value[field] ?? false;
  if (typeof said === 'boolean') return said;
  throw new InputError({ ...fieldPlace(place, field), value: shown(said) }, 'expected true or false');
}

/** A number, or text in hexadecimal (0x…) or decimal. */
function address(value: unknown, field: string, place: Place): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === 'string' && /^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(value)) {
    const parsed = BigInt(value);
    if (parsed < 1n << 64n) return parsed;
  }
  throw new InputError(
    { ...fieldPlace(place, field), value: shown(value) },
    'expected an address below 2^64, as "0x…" or a number',
  );
}

function wholeNumber(value: unknown, field: string, place: Place): number {
  const parsed = address(value, field, place);
  if (parsed <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(parsed);
  throw new InputError({ ...fieldPlace(place, field), value: shown(value) }, 'expected a number below 2^53');
}

const physical: Decode<number> = wholeNumber;

function length(value: unknown, field: string, place: Place): number {
  const parsed = wholeNumber(value, field, place);
  if (parsed > 0) return parsed;
  throw new InputError({ ...fieldPlace(place, field), value: 0 }, 'a region has at least one byte');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const shown = (value: unknown): string =>
  value === undefined ? 'missing' : String(JSON.stringify(value)).slice(0, 64);

/** A region as it stands in a file. */
export const encodeRegion = (region: RegionRequest): string => JSON.stringify(plain(region));

function plain(region: RegionRequest): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (region.kind === 'symbol') fields['symbol'] = region.symbol;
  if (region.kind === 'type') fields['type'] = region.type;
  if (region.kind === 'virtual') fields['vaddr'] = `0x${region.vaddr.toString(16)}`;
  if ((region.kind === 'virtual' || region.kind === 'physical') && region.paddr !== null) {
    fields['paddr'] = `0x${region.paddr.toString(16)}`;
  }
  if (region.kind === 'symbol' && region.offset !== undefined) fields['offset'] = region.offset;
  if (region.kind !== 'type' && region.length !== null) fields['length'] = region.length;
  if (region.kind === 'symbol' && region.perCpu === true) fields['perCpu'] = true;
  if ((region.kind === 'virtual' || region.kind === 'physical') && region.thisDump === true) fields['thisDump'] = true;
  if (region.name !== null) fields['name'] = region.name;
  if (region.id !== null) fields['id'] = region.id;
  return fields;
}
