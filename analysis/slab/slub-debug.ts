// Bytes that SLUB's debugging keeps around and in objects: red zones, poison, padding. Source: mm/slub.c (check_object, check_pad_bytes, slab_pad_check; 4.6 to 7.3), include/linux/poison.h.
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { hasStruct, struct } from '../object/index.js';
import type { SlabObjects } from './cache-objects.js';
import { ALLOCATED, FREE } from './model.js';
import { slabFlags } from './slab-flags.js';
import type { Slub } from './slub.js';
import type { SlubCache } from './slub-caches.js';
import { infoEnd, namedTrack, type Track, trackStackText } from './tracks.js';

const RED_INACTIVE = 0xbb;
const RED_ACTIVE = 0xcc;
const POISON_INUSE = 0x5a;
const POISON_FREE = 0x6b;
const POISON_END = 0xa5;
/** Of a call chain in a finding: whatis tells all of it. */
const MOST_CALLS = 8;
/** The rest of kmalloc()'s objects is a red zone in this kernel where it is so in as many as this, and in this many for each where it is not. */
const LEAST_WHOLE = 16;
const MOST_OF_ONE_BROKEN = 10;
const MOST_SUSPECTS = 100;

/** A stretch of an object's slot that must hold one byte value. Offsets are from the object's start; the left red zone lies before it. */
interface Stretch {
  readonly what: string;
  readonly code: string;
  /** Who likely wrote there: whoever has the object, the object before it, or whoever gave it back. */
  readonly suspect: 'owner' | 'before' | 'freed';
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

/** What must stand where, in allocated and in free objects. */
export class DebugBytes {
  readonly #slub: Slub;
  readonly #cache: SlubCache;
  /** By state: of allocated and of free objects. */
  readonly #stretches: readonly (readonly Stretch[])[];
  readonly #slot: Uint8Array<ArrayBuffer>;
  readonly #padded: boolean;
  /** Where an object of kmalloc() has the number of bytes that were asked for; null without it. */
  readonly #asked: number | null;
  /** Objects of which the rest is, or is not, filled as a red zone. */
  #whole = 0;
  #broken = 0;
  readonly #suspects: { readonly object: number; readonly asked: number }[] = [];

  private constructor(
    slub: Slub,
    cache: SlubCache,
    padded: boolean,
    asked: number | null,
    allocated: readonly Stretch[],
    free: readonly Stretch[],
  ) {
    this.#slub = slub;
    this.#cache = cache;
    this.#stretches = [allocated, free];
    this.#slot = new Uint8Array(cache.slotSize);
    this.#padded = padded;
    this.#asked = asked;
  }

  /** Null for caches without such bytes. @throws Missing */
  static of(slub: Slub, cache: SlubCache): DebugBytes | null {
    const { kernel } = slub;
    const flags = slabFlags(kernel);
    const has = (mask: bigint): boolean => (cache.flags & mask) !== 0n;
    const redZone = has(flags.RED_ZONE);
    const poison = has(flags.POISON);
    if (!redZone && !poison) return null;
    const inuse = slub.layout.cache.number('inuse')(cache.address);
    const { objectSize, redLeft, slotSize, freeOffset } = cache;
    const zone = (value: number): Stretch[] =>
      redZone
        ? [
            {
              what: 'the red zone before it',
              code: 'red-zone-overwritten',
              suspect: 'before',
              from: -redLeft,
              to: 0,
              value,
            },
            {
              what: 'the red zone behind it',
              code: 'red-zone-overwritten',
              suspect: 'owner',
              from: objectSize,
              to: inuse,
              value,
            },
          ]
        : [
            {
              what: 'the padding behind it',
              code: 'padding-overwritten',
              suspect: 'owner',
              from: objectSize,
              to: inuse,
              value: POISON_INUSE,
            },
          ];
    // Accounting may keep its own word of each object in the padding.
    const padding =
      poison && !has(flags.OBJ_EXT_IN_OBJ) ? paddingOf(slub, cache, has(flags.STORE_USER), has(flags.KMALLOC)) : [];
    const free = poison && has(flags.OBJECT_POISON) ? poisonOf(objectSize, freeOffset, kernel.memory.pointerSize) : [];
    const allocated = [...zone(RED_ACTIVE), ...padding];
    const sane = (stretch: Stretch): boolean => stretch.from < stretch.to && stretch.to <= slotSize - redLeft;
    return new DebugBytes(
      slub,
      cache,
      poison,
      redZone && has(flags.STORE_USER) && has(flags.KMALLOC) ? askedOf(slub, cache) : null,
      allocated.filter(sane),
      [...zone(RED_INACTIVE), ...padding, ...free].filter(sane),
    );
  }

  /** Findings of one slab's objects go to `issues`. */
  check({ first, count, states, slab }: SlabObjects, issues: Issues): void {
    const { slotSize, redLeft, name } = this.#cache;
    const { physical } = this.#slub.kernel;
    for (let i = 0; i < count; i++) {
      if (states[i] !== ALLOCATED && states[i] !== FREE) continue;
      const object = first + i * slotSize;
      try {
        physical.read(object - redLeft, this.#slot);
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-slab', `objects of the slab at ${hex(slab)} of ${name}: ${error.message}`, slab);
        return;
      }
      for (const stretch of this.#stretches[states[i]]) this.#compare(object, stretch, i === 0, issues);
      if (states[i] === ALLOCATED) this.#checkRest(object);
    }
    if (this.#padded) this.#checkEnd(first - redLeft, count, slab, issues);
  }

  /** What kmalloc() gave above what was asked for is a red zone too since 6.2 (commit 946fa0dbf2d8): no member tells, but what almost all objects have. */
  #checkRest(object: number): void {
    const asked = this.#asked === null ? 0 : this.#askedFor(this.#asked);
    const { objectSize, redLeft } = this.#cache;
    if (asked === 0 || asked >= objectSize) return;
    if (otherThan(this.#slot, RED_ACTIVE, redLeft + asked, redLeft + objectSize) < 0) this.#whole++;
    else if (++this.#broken <= MOST_SUSPECTS) this.#suspects.push({ object, asked });
  }

  #askedFor(offset: number): number {
    const at = this.#cache.redLeft + offset;
    if (at + 4 > this.#slot.length) return 0;
    return new DataView(this.#slot.buffer).getUint32(at, this.#slub.kernel.memory.littleEndian);
  }

  /** What only all slabs together tell. */
  finish(issues: Issues): void {
    if (this.#whole < LEAST_WHOLE || this.#whole < MOST_OF_ONE_BROKEN * this.#broken) return;
    for (const { object, asked } of this.#suspects) {
      this.#slub.kernel.physical.read(object - this.#cache.redLeft, this.#slot);
      const rest: Stretch = {
        what: `what lies behind the ${asked} bytes that were asked for`,
        code: 'red-zone-overwritten',
        suspect: 'owner',
        from: asked,
        to: this.#cache.objectSize,
        value: RED_ACTIVE,
      };
      this.#compare(object, rest, false, issues);
    }
  }

  #compare(object: number, stretch: Stretch, isFirst: boolean, issues: Issues): void {
    const { name, redLeft } = this.#cache;
    const { what, code, from, to, value } = stretch;
    const at = otherThan(this.#slot, value, from + redLeft, to + redLeft);
    if (at < 0) return;
    const place = this.#slub.map.toVirtual(object - redLeft + at);
    const bytes = bytesText(this.#slot.subarray(at, Math.min(at + 8, to + redLeft)));
    const who = this.#suspect(object, stretch, isFirst);
    const message = `the object at ${hex(this.#slub.map.toVirtual(object))} of ${name}: ${what} has ${bytes} at ${hex(place)}, where ${hex(value)} should stand${who}`;
    issues.add(code, message, place);
  }

  /** Who likely wrote, as the rest of a sentence. */
  #suspect(object: number, { suspect }: Stretch, isFirst: boolean): string {
    if (suspect === 'before' && isFirst)
      return '; no object lies before it: whoever has or had it wrote before its start';
    const { map, kernel } = this.#slub;
    const at = map.toVirtual(suspect === 'before' ? object - this.#cache.slotSize : object);
    const whose = {
      before: `the object before it, ${hex(at)}, likely: it was`,
      owner: 'whoever has or had it, likely: it was',
      freed: 'it was',
    }[suspect];
    const text = (track: Track): string => trackStackText(namedTrack(kernel, track), MOST_CALLS);
    try {
      const { allocated, freed } = this.#slub.tracks(this.#cache, at) ?? { allocated: null, freed: null };
      const told = [
        ...(allocated === null ? [] : [`allocated ${text(allocated)}`]),
        ...(freed === null || suspect === 'owner' ? [] : [`freed ${text(freed)}`]),
      ];
      if (told.length > 0) return `; ${whose} ${told.join('; ')}`;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
    }
    return suspect === 'before' ? `; the object before it, ${hex(at)}, likely wrote past its end` : '';
  }

  /** What is left of a slab behind its last object. */
  #checkEnd(start: number, count: number, slab: bigint, issues: Issues): void {
    const { map, kernel } = this.#slub;
    const { name, slotSize } = this.#cache;
    let size = kernel.pageSize;
    while (Math.floor(size / slotSize) < count) size *= 2;
    if (Math.floor(size / slotSize) !== count) return;
    const from = start + count * slotSize;
    // Accounting may keep its words of all objects there (7.0 and later).
    const words = map.physicalOf(this.#slub.layout.accounting(slab));
    const to = words >= from && words < start + size ? words : start + size;
    const rest = new Uint8Array(to - from);
    try {
      kernel.physical.read(from, rest);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `the end of the slab at ${hex(slab)} of ${name}: ${error.message}`, slab);
      return;
    }
    const at = otherThan(rest, POISON_INUSE, 0, rest.length);
    if (at < 0) return;
    const place = map.toVirtual(from + at);
    const last = map.toVirtual(from - slotSize + this.#cache.redLeft);
    const message = `the slab at ${hex(slab)} of ${name}: the padding behind its last object, ${hex(last)}, has ${bytesText(rest.subarray(at, at + 8))} at ${hex(place)}, where ${hex(POISON_INUSE)} should stand`;
    issues.add('padding-overwritten', message, place);
  }
}

/** The first byte of [from, to) that is another; -1 where all are the same. */
function otherThan(bytes: Uint8Array, value: number, from: number, to: number): number {
  for (let at = from; at < to; at++) if (bytes[at] !== value) return at;
  return -1;
}

const bytesText = (bytes: Uint8Array): string => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ');

/** A free object is filled but for its freelist pointer, where that lies in it. */
function poisonOf(objectSize: number, freeOffset: number, word: number): Stretch[] {
  const filled = (from: number, to: number): Stretch => ({
    what: 'its poison (it was written to after it was freed)',
    code: 'use-after-free',
    suspect: 'freed',
    from,
    to,
    value: POISON_FREE,
  });
  const last = { ...filled(objectSize - 1, objectSize), value: POISON_END };
  if (freeOffset >= objectSize) return [filled(0, objectSize - 1), last];
  return [filled(0, freeOffset), filled(freeOffset + word, objectSize - 1), last];
}

/** slub_debug_orig_size(): behind the tracks (6.1, commit 6edf2576a6cc). */
function askedOf(slub: Slub, cache: SlubCache): number | null {
  if (!hasStruct(slub.kernel, 'track')) return null;
  return infoEnd(slub.layout.cache, cache) + 2 * struct(slub.kernel, 'track').size;
}

/** Behind what the allocator keeps of an object: its freelist pointer, who took and freed it, how much was asked for (6.1 and later, kmalloc caches). */
function paddingOf(slub: Slub, cache: SlubCache, tracked: boolean, isKmalloc: boolean): Stretch[] {
  const { kernel } = slub;
  let from = infoEnd(slub.layout.cache, cache);
  if (tracked) {
    if (!hasStruct(kernel, 'track')) return [];
    from += 2 * struct(kernel, 'track').size;
    // slub_debug_orig_size(): an unsigned int (6.1, commit 6edf2576a6cc), an unsigned long in 7.x. What may be padding or a part of it is not looked at.
    if (isKmalloc) from += kernel.memory.pointerSize;
  }
  const to = cache.slotSize - cache.redLeft;
  return [
    { what: 'the padding behind it', code: 'padding-overwritten', suspect: 'owner', from, to, value: POISON_INUSE },
  ];
}
