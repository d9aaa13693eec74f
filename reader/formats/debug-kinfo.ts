// Google's "debug_kinfo" area, by which boot firmware finds a kernel's symbol table: a magic, a checksum and one of seven layouts, all with the same magic. Sources:
// kernel/meminspect/kinfo.c (meminspect v1 to v3), drivers/android/debug_kinfo.h (Android common kernels, by age). Packed, little-endian.
import { fixedText } from '../cursor.js';

export const KINFO_MAGIC = 0xcceeddff;
const INFO_AT = 8;

type Width = 1 | 2 | 4 | 8;
/** A number by its width, or text by its length. */
type Field = readonly [name: string, width: Width] | readonly [name: string, width: number, kind: 'text'];

const HEAD: readonly Field[] = [
  ['enabled_all', 1],
  ['enabled_base_relative', 1],
  ['enabled_absolute_percpu', 1],
  ['enabled_cfi_clang', 1],
  ['num_syms', 4],
  ['name_len', 2],
  ['bit_per_long', 2],
  ['module_name_len', 2],
  ['symbol_len', 2],
];

const words = (names: string): readonly Field[] => names.split(' ').map(name => [name, 8] as const);
const halves = (names: string): readonly Field[] => names.split(' ').map(name => [name, 4] as const);

const TAIL: readonly Field[] = [
  ['thread_size', 4],
  ['_swapper_pg_dir_pa', 8],
  ['last_uts_release', 64, 'text'],
];
const BUILD_INFO: Field = ['build_info', 256, 'text'];

const KERNEL: readonly Field[] = [
  ...HEAD,
  ...words(
    '_relative_pa _text_pa _stext_pa _etext_pa _sinittext_pa _einittext_pa _end_pa _offsets_pa _names_pa _token_table_pa _token_index_pa _markers_pa _seqs_of_names_pa',
  ),
  ...TAIL,
];
const ANDROID: readonly Field[] = [
  ...HEAD,
  ...words(
    '_addresses_pa _relative_pa _stext_pa _etext_pa _sinittext_pa _einittext_pa _end_pa _offsets_pa _names_pa _token_table_pa _token_index_pa _markers_pa',
  ),
  ...TAIL,
  BUILD_INFO,
];
const MODULES = halves('enabled_modules_tree_lookup mod_mem_offset mod_kallsyms_offset');
const MODULE_LAYOUTS = halves(
  'enabled_modules_tree_lookup mod_core_layout_offset mod_init_layout_offset mod_kallsyms_offset',
);

export interface KinfoField {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly text: boolean;
}

export interface KinfoLayout {
  /** Bytes of the whole area; what the layouts are called by. */
  readonly size: number;
  /** Where it comes from. */
  readonly origin: string;
  readonly fields: readonly KinfoField[];
}

function layout(origin: string, fields: readonly Field[]): KinfoLayout {
  let offset = INFO_AT;
  const placed = fields.map(([name, length, kind]) => {
    const field = { name, offset, length, text: kind === 'text' };
    offset += length;
    return field;
  });
  return { size: offset, origin, fields: placed };
}

/** All layouts, smallest first. */
export const KINFO_LAYOUTS: readonly KinfoLayout[] = [
  layout('meminspect v3', [...KERNEL, ...MODULES]),
  layout('Android, first', ANDROID),
  layout('Android, with modules', [...ANDROID, ...MODULES]),
  layout('Android, with module layouts', [...ANDROID, ...MODULE_LAYOUTS]),
  layout('kmemdump and meminspect v1, v2', [...KERNEL, BUILD_INFO, ...MODULES]),
  layout('Android, with module addresses', [...ANDROID, ...MODULE_LAYOUTS, ...words('module_start_va module_end_va')]),
  layout('Android, kernel_all_info_v2', [
    ...ANDROID,
    ...MODULES,
    ...words('_seqs_of_names_pa reserved_0 reserved_1 reserved_2 reserved_3'),
  ]),
];

/** Bytes that `decodeKinfo` looks at. */
export const MOST_KINFO_SIZE = 504;

export const kinfoLayout = (size: number): KinfoLayout | undefined => KINFO_LAYOUTS.find(each => each.size === size);

/** Numbers as bigint, text without padding; by the names of the layout's fields. */
export type KinfoValues = Readonly<Record<string, bigint | string>>;

export interface Kinfo {
  readonly layout: KinfoLayout;
  readonly values: KinfoValues;
  /** Sizes of further layouts that the checksum and the release fit as well: they differ in fields that are all zero here. */
  readonly alsoFits: readonly number[];
}

/** XOR of the little-endian 32-bit words from `info` to `size`. */
export function kinfoChecksum(view: DataView, size: number): number {
  let sum = 0;
  for (let at = INFO_AT; at + 4 <= size; at += 4) sum ^= view.getUint32(at, true);
  return sum >>> 0;
}

/**
 * The layout whose checksum is right and whose last_uts_release is printable; of several the one whose address of kallsyms_seqs_of_names lies where the other tables
 * do, else the smallest that has all bytes that are not zero. Null where there is none, `why` tells then what was missing.
 */
export function decodeKinfo(bytes: Uint8Array): { kinfo: Kinfo | null; why: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < INFO_AT || view.getUint32(0, true) !== KINFO_MAGIC) {
    return { kinfo: null, why: 'there is no magic 0xcceeddff' };
  }
  const claimed = view.getUint32(4, true);
  const summed = KINFO_LAYOUTS.filter(each => each.size <= bytes.length && kinfoChecksum(view, each.size) === claimed);
  if (summed.length === 0) {
    return { kinfo: null, why: `the checksum 0x${claimed.toString(16)} fits none of the known layouts` };
  }
  const fitting = summed.filter(each => isRelease(namedValue(view, bytes, each, 'last_uts_release')));
  if (fitting.length === 0) return { kinfo: null, why: 'the checksum fits, but last_uts_release is no kernel release' };
  const chosen = fitting.find(each => hasNamesTogether(view, bytes, each)) ?? largestWithBytes(bytes, fitting);
  const others = fitting.filter(each => each !== chosen);
  const values: Record<string, bigint | string> = {};
  for (const field of chosen.fields) values[field.name] = fieldValue(view, bytes, field);
  return { kinfo: { layout: chosen, values, alsoFits: others.map(each => each.size) }, why: '' };
}

/** The tables of kallsyms lie in one image: what is further apart is no address of one. */
const MOST_APART = 2n ** 28n;

function hasNamesTogether(view: DataView, bytes: Uint8Array, layout: KinfoLayout): boolean {
  const [sorted, markers] = ['_seqs_of_names_pa', '_markers_pa'].map(name => namedValue(view, bytes, layout, name));
  if (typeof sorted !== 'bigint' || typeof markers !== 'bigint' || sorted === 0n) return false;
  return sorted - markers < MOST_APART && markers - sorted < MOST_APART;
}

function largestWithBytes(bytes: Uint8Array, fitting: readonly KinfoLayout[]): KinfoLayout {
  let [chosen] = fitting;
  for (const each of fitting) if (bytes.subarray(chosen.size, each.size).some(byte => byte !== 0)) chosen = each;
  return chosen;
}

function isRelease(value: bigint | string): boolean {
  return typeof value === 'string' && /^[0-9][\x21-\x7e]{2,}$/.test(value);
}

function namedValue(view: DataView, bytes: Uint8Array, from: KinfoLayout, name: string): bigint | string {
  const field = from.fields.find(each => each.name === name);
  return field === undefined ? 0n : fieldValue(view, bytes, field);
}

function fieldValue(view: DataView, bytes: Uint8Array, field: KinfoField): bigint | string {
  const { offset, length } = field;
  if (field.text) return fixedText(bytes.subarray(offset, offset + length));
  if (length === 8) return view.getBigUint64(offset, true);
  if (length === 4) return BigInt(view.getUint32(offset, true));
  return BigInt(length === 2 ? view.getUint16(offset, true) : view.getUint8(offset));
}

/** Encodes an area; what `values` lack is zero, the checksum is made. Text that is too long is cut so that a NUL stays. */
export function encodeKinfo(into: KinfoLayout, values: KinfoValues): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(into.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, KINFO_MAGIC, true);
  for (const { name, offset, length, text } of into.fields) {
    const value = values[name] ?? 0n;
    if (typeof value === 'string') {
      if (text) bytes.set(new TextEncoder().encode(value).subarray(0, length - 1), offset);
    } else if (!text) {
      writeNumber(view, offset, length, value);
    }
  }
  view.setUint32(4, kinfoChecksum(view, into.size), true);
  return bytes;
}

function writeNumber(view: DataView, offset: number, length: number, value: bigint): void {
  const low = Number(BigInt.asUintN(32, value));
  if (length === 8) view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  else if (length === 4) view.setUint32(offset, low, true);
  else if (length === 2) view.setUint16(offset, low, true);
  else view.setUint8(offset, low);
}
