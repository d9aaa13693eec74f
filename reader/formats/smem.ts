// Qualcomm shared memory (SMEM) of version 12: header checks, the partition table `$TOC`, the global partition and its items. Source:
// drivers/soc/qcom/smem.c (6.x). All fields are little-endian.
import { Cursor, type CursorPlace } from '../cursor.js';
import { InputError } from '../fault.js';
import type { Issues } from '../issue.js';
import { alignUp } from '../u64.js';

/** Bytes of the header that `checkSmemHeader` needs. */
export const SMEM_HEADER_SIZE = 0xc4;
const SMEM_VERSION_AT = 0x5c;
const SMEM_INITIALIZED_AT = 0xc0;
/** version[7] >> 16 of a heap with a global partition. */
export const SMEM_GLOBAL_PART_VERSION = 12;

/** The partition table lies this far before the region's end. */
export const SMEM_TABLE_SIZE = 4096;
const TABLE_HEADER_SIZE = 32;
const TABLE_ENTRY_SIZE = 48;
const INFO_SIZE = 18;
const MOST_TABLE_ENTRIES = Math.floor((SMEM_TABLE_SIZE - TABLE_HEADER_SIZE) / TABLE_ENTRY_SIZE);
/** host0 and host1 of the global partition. */
export const SMEM_GLOBAL_HOST = 0xfffe;
/** Items below this number are fixed ones, which a driver without the info record stops at. */
export const SMEM_ITEM_COUNT = 512;

const PARTITION_HEADER_SIZE = 32;
const ITEM_HEADER_SIZE = 16;
const ITEM_CANARY = 0xa5a5;

const TABLE_MAGIC = [0x24, 0x54, 0x4f, 0x43];
const PARTITION_MAGIC = [0x24, 0x50, 0x52, 0x54];
const INFO_MAGIC = [0x53, 0x49, 0x49, 0x49];

function hasMagic(bytes: Uint8Array, at: number, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[at + i] === byte);
}

/** True where `bytes` begin with a partition table's magic, `$TOC`. */
export function isSmemTable(bytes: Uint8Array): boolean {
  return hasMagic(bytes, 0, TABLE_MAGIC);
}

/** Throws InputError unless this is an initialised SMEM header of version 12. Needs SMEM_HEADER_SIZE bytes. */
export function checkSmemHeader(bytes: Uint8Array, place: CursorPlace): void {
  const cursor = new Cursor(bytes, true, place);
  cursor.position = SMEM_VERSION_AT;
  const version = cursor.u32('version[7]');
  cursor.position = SMEM_INITIALIZED_AT;
  const initialized = cursor.u32('initialized');
  const wrong = (offset: number, field: string, value: number, why: string) =>
    new InputError({ ...place, offset: (place.base ?? 0) + offset, field, value }, why);
  if (version >>> 16 !== SMEM_GLOBAL_PART_VERSION) {
    throw wrong(SMEM_VERSION_AT, 'version[7]', version, 'expected version 12 in the upper half');
  }
  if (initialized !== 1) throw wrong(SMEM_INITIALIZED_AT, 'initialized', initialized, 'expected 1');
}

export interface SmemTableEntry {
  /** From the region's start. */
  readonly offset: number;
  readonly size: number;
  readonly flags: number;
  readonly host0: number;
  readonly host1: number;
  /** Alignment of cached items, as claimed. */
  readonly cacheline: number;
}

/** The record `SIII` behind the entries: without it a driver knows of no item past 511. */
export interface SmemInfo {
  /** Of the whole region. */
  readonly size: number;
  readonly base: number;
  readonly items: number;
}

export interface SmemTable {
  readonly version: number;
  /** As claimed; `entries` has those that fit the table's 4 KiB. */
  readonly claimedEntries: number;
  readonly entries: readonly SmemTableEntry[];
  readonly info: SmemInfo | null;
}

/** Decodes a partition table of at most SMEM_TABLE_SIZE bytes. Throws InputError where the magic is missing; the rest is told in `issues`. */
export function decodeSmemTable(bytes: Uint8Array, place: CursorPlace, issues: Issues): SmemTable {
  const base = place.base ?? 0;
  if (!isSmemTable(bytes)) throw new InputError({ ...place, offset: base, field: 'magic' }, 'there is no magic "$TOC"');
  const cursor = new Cursor(bytes.subarray(0, SMEM_TABLE_SIZE), true, place);
  cursor.skip(4);
  const version = cursor.u32('version');
  if (version !== 1) {
    issues.add('smem-table-version', `the SMEM partition table has version ${version}, expected 1`, base + 4);
  }
  const claimedEntries = cursor.u32('num_entries');
  cursor.skip(20, 'reserved');
  const room = Math.floor(cursor.left / TABLE_ENTRY_SIZE);
  if (claimedEntries > room) {
    issues.add(
      'smem-table-entries',
      `the SMEM partition table claims ${claimedEntries} entries, but there is room for ${room}`,
      base + 8,
    );
  }
  const entries: SmemTableEntry[] = [];
  for (let i = 0; i < Math.min(claimedEntries, room); i++) entries.push(decodeTableEntry(cursor));
  return { version, claimedEntries, entries, info: claimedEntries > room ? null : decodeInfo(cursor) };
}

function decodeTableEntry(cursor: Cursor): SmemTableEntry {
  const entry = {
    offset: cursor.u32('offset'),
    size: cursor.u32('size'),
    flags: cursor.u32('flags'),
    host0: cursor.u16('host0'),
    host1: cursor.u16('host1'),
    cacheline: cursor.u32('cacheline'),
  };
  cursor.skip(28, 'reserved');
  return entry;
}

function decodeInfo(cursor: Cursor): SmemInfo | null {
  if (cursor.left < INFO_SIZE || !hasMagic(cursor.bytes, cursor.position, INFO_MAGIC)) return null;
  cursor.skip(4, 'magic');
  const size = cursor.u32('size');
  const base = cursor.u32('base_addr');
  cursor.skip(4, 'reserved');
  return { size, base, items: cursor.u16('num_items') };
}

/** The entry of the global partition, or undefined. */
export function globalPartition(table: SmemTable): SmemTableEntry | undefined {
  return table.entries.find(
    entry => entry.host0 === SMEM_GLOBAL_HOST && entry.host1 === SMEM_GLOBAL_HOST && entry.offset > 0 && entry.size > 0,
  );
}

export interface SmemItem {
  readonly item: number;
  /** Of the data, from the partition's start. */
  readonly offset: number;
  /** Without padding. */
  readonly size: number;
}

export interface SmemPartition {
  readonly host0: number;
  readonly host1: number;
  readonly size: number;
  readonly items: readonly SmemItem[];
}

/**
 * Decodes a partition and its items, both the uncached ones that grow from its start and the cached ones that grow from its end. Throws
 * InputError where the magic `$PRT` is missing; a damaged item ends its walk with an issue.
 * @param bytes the partition, or as much of it as is there
 * @param cacheline of its table entry
 */
export function decodeSmemPartition(
  bytes: Uint8Array,
  cacheline: number,
  place: CursorPlace,
  issues: Issues,
): SmemPartition {
  const base = place.base ?? 0;
  if (!hasMagic(bytes, 0, PARTITION_MAGIC)) {
    throw new InputError({ ...place, offset: base, field: 'magic' }, 'there is no magic "$PRT"');
  }
  const cursor = new Cursor(bytes, true, place);
  cursor.skip(4);
  const host0 = cursor.u16('host0');
  const host1 = cursor.u16('host1');
  const size = cursor.u32('size');
  const freeUncached = cursor.u32('offset_free_uncached');
  const freeCached = cursor.u32('offset_free_cached');
  const limit = Math.min(size, bytes.length);
  if (freeUncached < PARTITION_HEADER_SIZE || freeUncached > limit) {
    issues.add(
      'smem-partition',
      `offset_free_uncached is ${freeUncached}, but the partition has ${limit} bytes`,
      base + 12,
    );
  }
  const walk = { view: cursor.view, base, issues, items: [] as SmemItem[] };
  uncachedItems(walk, Math.min(freeUncached, limit));
  if (freeCached < size && size <= bytes.length) cachedItems(walk, freeCached, size, cacheline);
  return { host0, host1, size, items: walk.items };
}

interface ItemWalk {
  readonly view: DataView;
  readonly base: number;
  readonly issues: Issues;
  readonly items: SmemItem[];
}

interface ItemHeader {
  readonly item: number;
  readonly size: number;
  readonly paddingData: number;
  readonly paddingHeader: number;
}

/** The item header at `at`, or null with an issue where its canary is not there. */
function itemHeader(walk: ItemWalk, at: number): ItemHeader | null {
  const { view } = walk;
  const canary = view.getUint16(at, true);
  if (canary !== ITEM_CANARY) {
    walk.issues.add(
      'smem-item',
      `the SMEM item at offset 0x${at.toString(16)} of the partition has canary 0x${canary.toString(16)}, expected 0xa5a5: the items behind it are not read`,
      walk.base + at,
    );
    return null;
  }
  return {
    item: view.getUint16(at + 2, true),
    size: view.getUint32(at + 4, true),
    paddingData: view.getUint16(at + 8, true),
    paddingHeader: view.getUint16(at + 10, true),
  };
}

function sizeIsWrong(walk: ItemWalk, header: ItemHeader, at: number): boolean {
  if (header.paddingData <= header.size) return false;
  walk.issues.add(
    'smem-item',
    `SMEM item ${header.item} claims ${header.paddingData} bytes of padding in ${header.size}`,
    walk.base + at,
  );
  return true;
}

function uncachedItems(walk: ItemWalk, end: number): void {
  let at = PARTITION_HEADER_SIZE;
  while (at + ITEM_HEADER_SIZE <= end) {
    const header = itemHeader(walk, at);
    if (header === null) return;
    const data = at + ITEM_HEADER_SIZE + header.paddingHeader;
    if (data + header.size > end) {
      walk.issues.add(
        'smem-item',
        `SMEM item ${header.item} claims ${header.size} bytes, past the end of what is allocated`,
        walk.base + at,
      );
      return;
    }
    if (!sizeIsWrong(walk, header, at)) {
      walk.items.push({ item: header.item, offset: data, size: header.size - header.paddingData });
    }
    at = data + header.size;
  }
}

/** Cached items: header at the upper end, data below it, the next header below that. */
function cachedItems(walk: ItemWalk, free: number, size: number, cacheline: number): void {
  const step = alignUp(ITEM_HEADER_SIZE, cacheline > 0 && cacheline <= 4096 ? cacheline : 1);
  let at = size - step;
  while (at > free && at >= PARTITION_HEADER_SIZE) {
    const header = itemHeader(walk, at);
    if (header === null) return;
    const data = at - header.size;
    if (data < free || data < PARTITION_HEADER_SIZE) {
      walk.issues.add(
        'smem-item',
        `SMEM item ${header.item} claims ${header.size} bytes, past the end of what is allocated`,
        walk.base + at,
      );
      return;
    }
    if (!sizeIsWrong(walk, header, at)) {
      walk.items.push({ item: header.item, offset: data, size: header.size - header.paddingData });
    }
    at = data - step;
  }
}

export interface SmemPiece {
  /** From the region's start. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface SmemLayout {
  readonly size: number;
  /** What is not zero in the region. */
  readonly pieces: readonly SmemPiece[];
  /** Offset of each given item's data from the region's start, in order. */
  readonly itemOffsets: readonly number[];
}

/**
 * Lays out a whole SMEM region with a global partition of uncached items.
 * @param base physical address of the region
 * @param size of the region, a multiple of 4 KiB
 */
export function layoutSmem(
  base: number,
  size: number,
  items: readonly { readonly item: number; readonly bytes: Uint8Array }[],
): SmemLayout {
  const header = new Uint8Array(SMEM_HEADER_SIZE);
  const headerView = new DataView(header.buffer);
  headerView.setUint32(SMEM_VERSION_AT, SMEM_GLOBAL_PART_VERSION << 16, true);
  headerView.setUint32(SMEM_INITIALIZED_AT, 1, true);

  // The fixed part of the heap (512 table entries of 16 bytes behind the header) keeps its room.
  const partitionOffset = alignUp(0xd0 + 16 * SMEM_ITEM_COUNT, 4096);
  const partitionSize = size - SMEM_TABLE_SIZE - partitionOffset;
  const partition = encodePartition(partitionSize, items);
  const highest = items.reduce((most, { item }) => Math.max(most, item), SMEM_ITEM_COUNT - 1);
  const entry = {
    offset: partitionOffset,
    size: partitionSize,
    flags: 0,
    host0: SMEM_GLOBAL_HOST,
    host1: SMEM_GLOBAL_HOST,
    cacheline: 64,
  };
  const table = encodeSmemTable({ version: 1, entries: [entry], info: { size, base, items: highest + 1 } });
  return {
    size,
    pieces: [
      { offset: 0, bytes: header },
      { offset: partitionOffset, bytes: partition.bytes },
      { offset: size - SMEM_TABLE_SIZE, bytes: table },
    ],
    itemOffsets: partition.offsets.map(offset => partitionOffset + offset),
  };
}

function encodePartition(
  size: number,
  items: readonly { readonly item: number; readonly bytes: Uint8Array }[],
): { bytes: Uint8Array<ArrayBuffer>; offsets: number[] } {
  const used = items.reduce(
    (sum, { bytes }) => sum + ITEM_HEADER_SIZE + alignUp(bytes.length, 8),
    PARTITION_HEADER_SIZE,
  );
  if (used > size) throw new RangeError('the items do not fit the partition');
  const bytes = new Uint8Array(used);
  const view = new DataView(bytes.buffer);
  bytes.set(PARTITION_MAGIC);
  view.setUint16(4, SMEM_GLOBAL_HOST, true);
  view.setUint16(6, SMEM_GLOBAL_HOST, true);
  view.setUint32(8, size, true);
  view.setUint32(12, used, true);
  view.setUint32(16, size, true);
  const offsets: number[] = [];
  let at = PARTITION_HEADER_SIZE;
  for (const { item, bytes: data } of items) {
    const padded = alignUp(data.length, 8);
    view.setUint16(at, ITEM_CANARY, true);
    view.setUint16(at + 2, item, true);
    view.setUint32(at + 4, padded, true);
    view.setUint16(at + 8, padded - data.length, true);
    bytes.set(data, at + ITEM_HEADER_SIZE);
    offsets.push(at + ITEM_HEADER_SIZE);
    at += ITEM_HEADER_SIZE + padded;
  }
  return { bytes, offsets };
}

/** Encodes a partition table without what lies behind its last record. */
export function encodeSmemTable(table: Omit<SmemTable, 'claimedEntries'>): Uint8Array<ArrayBuffer> {
  if (table.entries.length > MOST_TABLE_ENTRIES) throw new RangeError('a partition table has room for 84 entries');
  const end = TABLE_HEADER_SIZE + TABLE_ENTRY_SIZE * table.entries.length;
  const bytes = new Uint8Array(end + (table.info === null ? 0 : INFO_SIZE));
  const view = new DataView(bytes.buffer);
  bytes.set(TABLE_MAGIC);
  view.setUint32(4, table.version, true);
  view.setUint32(8, table.entries.length, true);
  let at = TABLE_HEADER_SIZE;
  for (const entry of table.entries) {
    view.setUint32(at, entry.offset, true);
    view.setUint32(at + 4, entry.size, true);
    view.setUint32(at + 8, entry.flags, true);
    view.setUint16(at + 12, entry.host0, true);
    view.setUint16(at + 14, entry.host1, true);
    view.setUint32(at + 16, entry.cacheline, true);
    at += TABLE_ENTRY_SIZE;
  }
  if (table.info !== null) {
    bytes.set(INFO_MAGIC, end);
    view.setUint32(end + 4, table.info.size, true);
    view.setUint32(end + 8, table.info.base % 2 ** 32, true);
    view.setUint16(end + 16, table.info.items, true);
  }
  return bytes;
}
