// Names as numbers: each name once, its bytes in one arena, found by content; and for a string section, which of its offsets is which name. Text is made when it is asked for.
import type { Windows } from './windows.js';

/** A longer name is cut: the kernel's own symbol table takes no longer ones. */
const LONGEST = 512;
/** Bytes of all names: a kernel has some millions. */
const MOST_BYTES = 1 << 26;
const utf8 = new TextDecoder('utf-8');
const encoder = new TextEncoder();

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export class NameTable {
  count = 0;
  #arena = new Uint8Array(1 << 14);
  /** By name: where it begins in the arena; it ends where the next begins. */
  #starts = new Uint32Array(1 << 10);
  /** Names + 1 by the hash of their bytes; the size is a power of two. */
  #slots = new Uint32Array(1 << 11);

  /** The name of those bytes, new or known; -1 where there are too many to take a new one. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const last = Math.min(end, start + LONGEST);
    const slot = this.#slot(bytes, start, last);
    if (this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    const id = this.count++;
    const at = this.#starts[id];
    const length = last - start;
    if (at + length > MOST_BYTES) {
      this.count--;
      return -1;
    }
    if (at + length > this.#arena.length) {
      const larger = new Uint8Array((at + length) * 2);
      larger.set(this.#arena);
      this.#arena = larger;
    }
    for (let i = 0; i < length; i++) this.#arena[at + i] = bytes[start + i];
    if (id + 2 > this.#starts.length) {
      const larger = new Uint32Array(this.#starts.length * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[id + 1] = at + length;
    this.#slots[slot] = id + 1;
    if (this.count * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  /** The name of a text; -1 if there is none. */
  find(text: string): number {
    const bytes = encoder.encode(text);
    return this.#slots[this.#slot(bytes, 0, Math.min(bytes.length, LONGEST))] - 1;
  }

  text(id: number): string {
    return utf8.decode(this.#arena.subarray(this.#starts[id], this.#starts[id + 1]));
  }

  /** The slot that has the name, or the free one where it belongs. */
  #slot(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(bytes, start, end) & mask;
    while (this.#slots[slot] !== 0 && !this.#same(this.#slots[slot] - 1, bytes, start, end)) slot = (slot + 1) & mask;
    return slot;
  }

  #same(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.#starts[id];
    if (this.#starts[id + 1] - at !== end - start) return false;
    for (let i = start; i < end; i++) if (this.#arena[at + i - start] !== bytes[i]) return false;
    return true;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let id = 0; id < this.count; id++) {
      let slot = hashOf(this.#arena, this.#starts[id], this.#starts[id + 1]) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = id + 1;
    }
  }
}

/** Which names the offsets of one string section are: linkers merge equal strings, so most are seen again and again. */
export class StringNames {
  readonly #section: Windows;
  readonly #names: NameTable;
  /** Offset + 1, 0 for a free slot; offsets have 32 bits less one. */
  #keys = new Uint32Array(1 << 10);
  #ids = new Uint32Array(1 << 10);
  #count = 0;

  constructor(section: Windows, names: NameTable) {
    this.#section = section;
    this.#names = names;
  }

  /** The name at an offset; -1 for an offset that is not in the section, and where there are too many names. */
  at(offset: number): number {
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(offset, 0x9e3779b1) >>> 7) & mask;
    for (let key = this.#keys[slot]; key !== 0; key = this.#keys[slot]) {
      if (key === offset + 1) return this.#ids[slot];
      slot = (slot + 1) & mask;
    }
    if (offset >= this.#section.size) return -1;
    const id = this.#read(offset);
    if (id < 0) return -1;
    this.#keys[slot] = offset + 1;
    this.#ids[slot] = id;
    if (++this.#count * 2 > this.#keys.length) this.#rehash();
    return id;
  }

  #read(offset: number): number {
    let start = this.#section.reach(offset, 256);
    let { bytes, filled } = this.#section;
    let end = bytes.indexOf(0, start);
    if (end < 0 || end > start + 256 || end > filled) {
      start = this.#section.reach(offset, LONGEST);
      ({ bytes, filled } = this.#section);
      end = bytes.indexOf(0, start);
      if (end < 0 || end > filled) end = Math.min(filled, start + LONGEST);
    }
    return this.#names.add(bytes, start, end);
  }

  #rehash(): void {
    const keys = this.#keys;
    const ids = this.#ids;
    this.#keys = new Uint32Array(keys.length * 2);
    this.#ids = new Uint32Array(keys.length * 2);
    const mask = this.#keys.length - 1;
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue;
      let slot = (Math.imul(keys[i] - 1, 0x9e3779b1) >>> 7) & mask;
      while (this.#keys[slot] !== 0) slot = (slot + 1) & mask;
      this.#keys[slot] = keys[i];
      this.#ids[slot] = ids[i];
    }
  }
}
