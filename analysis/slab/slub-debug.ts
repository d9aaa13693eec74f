// Bytes that SLUB's debugging keeps around and in objects: red zones, poison, padding. Source: mm/slub.c (check_object, check_pad_bytes, slab_pad_check; 4.6 to 7.3), include/linux/poison.h.
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { hasStruct, struct } from '../object/index.js';
import type { SlabObjects } from './cache-objects.js';
import { ALLOCATED, FREE } from './model.js';
import { slabFlags } from './slab-flags.js';
import type { Slub } from './slub.js';
import type { SlubCache } from './slub-caches.js';

const RED_INACTIVE = 0xbb;
const RED_ACTIVE = 0xcc;
const POISON_INUSE = 0x5a;
const POISON_FREE = 0x6b;
const POISON_END = 0xa5;

/** A stretch of an object's slot that must hold one byte value. Offsets are from the object's start; the left red zone lies before it. */
interface Stretch {
  readonly what: string;
  readonly code: string;
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

  private constructor(slub: Slub, cache: SlubCache, allocated: readonly Stretch[], free: readonly Stretch[]) {
    this.#slub = slub;
    this.#cache = cache;
    this.#stretches = [allocated, free];
    this.#slot = new Uint8Array(cache.slotSize);
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
            { what: 'the red zone before it', code: 'red-zone-overwritten', from: -redLeft, to: 0, value },
            { what: 'the red zone behind it', code: 'red-zone-overwritten', from: objectSize, to: inuse, value },
          ]
        : [
            {
              what: 'the padding behind it',
              code: 'padding-overwritten',
              from: objectSize,
              to: inuse,
              value: POISON_INUSE,
            },
          ];
    // Accounting may keep its own word of each object in the padding.
    const padding =
      poison && !has(flags.OBJ_EXT_IN_OBJ)
        ? paddingOf(slub, cache, inuse, has(flags.STORE_USER), has(flags.KMALLOC))
        : [];
    const free = poison && has(flags.OBJECT_POISON) ? poisonOf(objectSize, freeOffset, kernel.memory.pointerSize) : [];
    const allocated = [...zone(RED_ACTIVE), ...padding];
    const sane = (stretch: Stretch): boolean => stretch.from < stretch.to && stretch.to <= slotSize - redLeft;
    return new DebugBytes(
      slub,
      cache,
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
      for (const stretch of this.#stretches[states[i]]) this.#compare(object, stretch, issues);
    }
  }

  #compare(object: number, { what, code, from, to, value }: Stretch, issues: Issues): void {
    const { name, redLeft } = this.#cache;
    const slot = this.#slot;
    let at = from + redLeft;
    while (at < to + redLeft && slot[at] === value) at++;
    if (at === to + redLeft) return;
    const place = this.#slub.map.toVirtual(object - redLeft + at);
    const bytes = [...slot.subarray(at, Math.min(at + 8, to + redLeft))]
      .map(byte => byte.toString(16).padStart(2, '0'))
      .join(' ');
    const message = `the object at ${hex(this.#slub.map.toVirtual(object))} of ${name}: ${what} has ${bytes} at ${hex(place)}, where ${hex(value)} should stand`;
    issues.add(code, message, place);
  }
}

/** A free object is filled but for its freelist pointer, where that lies in it. */
function poisonOf(objectSize: number, freeOffset: number, word: number): Stretch[] {
  const filled = (from: number, to: number): Stretch => ({
    what: 'its poison (it was written to after it was freed)',
    code: 'use-after-free',
    from,
    to,
    value: POISON_FREE,
  });
  const last = { ...filled(objectSize - 1, objectSize), value: POISON_END };
  if (freeOffset >= objectSize) return [filled(0, objectSize - 1), last];
  return [filled(0, freeOffset), filled(freeOffset + word, objectSize - 1), last];
}

/** Behind what the allocator keeps of an object: its freelist pointer, who took and freed it, how much was asked for (6.1 and later, kmalloc caches). */
function paddingOf(slub: Slub, cache: SlubCache, inuse: number, tracked: boolean, isKmalloc: boolean): Stretch[] {
  const { kernel } = slub;
  let end = inuse;
  if (cache.freeOffset >= inuse) end += kernel.memory.pointerSize;
  if (tracked) {
    if (!hasStruct(kernel, 'track')) return [];
    end += 2 * struct(kernel, 'track').size;
    // slub_debug_orig_size(): an unsigned int. The flag came with it (6.1, commit 6edf2576a6cc).
    if (isKmalloc) end += 4;
  }
  const to = cache.slotSize - cache.redLeft;
  return [{ what: 'the padding behind it', code: 'padding-overwritten', from: end, to, value: POISON_INUSE }];
}
