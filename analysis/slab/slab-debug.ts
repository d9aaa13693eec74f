// Bytes that CONFIG_DEBUG_SLAB keeps around and in objects: a red zone before and behind each, poison in free ones, and behind all who used it last. Source: mm/slab.c (dbg_redzone1(), dbg_redzone2(),
// dbg_userword(), check_poison_obj(); 3.13 to 6.7), include/linux/poison.h.
import { HIGH, halves, hex, type Issues, LOW, MemoryFault, splitU64 } from 'kdumpling/reader';
import { placeText, symbolPlace } from '../symbols/index.js';
import type { SlabObjects } from './cache-objects.js';
import { ALLOCATED, UNKNOWN } from './model.js';
import type { Slab } from './slab.js';
import type { SlabListCache } from './slab-caches.js';
import { slabFlags } from './slab-flags.js';

const RED_INACTIVE = 0x09f9_1102_9d74_e35bn;
const RED_ACTIVE = 0xd841_56c5_6356_88c0n;
const RED_SIZE = 8;
const POISON_FREE = 0x6b;
const POISON_END = 0xa5;
const OFF_SLAB = 0x8000_0000n;

/** Of a slot as the allocator sees it: it begins `objectOffset` before its owner's object. */
export class SlabDebugBytes {
  readonly #slab: Slab;
  readonly #cache: SlabListCache;
  /** Where in a slot its red zones lie. */
  readonly #zones: readonly number[];
  readonly #poisoned: boolean;
  /** Where in a slot its last user's address lies; -1 where it is not kept. */
  readonly #user: number;
  readonly #slot: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  private constructor(slab: Slab, cache: SlabListCache, zones: readonly number[], poisoned: boolean, user: number) {
    this.#slab = slab;
    this.#cache = cache;
    this.#zones = zones;
    this.#poisoned = poisoned;
    this.#user = user;
    this.#slot = new Uint8Array(cache.slotSize);
    this.#view = new DataView(this.#slot.buffer);
  }

  /** Null for caches without such bytes. */
  static of(slab: Slab, cache: SlabListCache): SlabDebugBytes | null {
    const { kernel, layout } = slab;
    if (layout.descriptor.form !== 'array' || !layout.cache.has('obj_offset')) return null;
    const flags = slabFlags(kernel);
    const has = (mask: bigint): boolean => (cache.flags & mask) !== 0n;
    const word = kernel.memory.pointerSize;
    const user = has(flags.STORE_USER) ? cache.slotSize - word : -1;
    const zones: number[] = [];
    if (has(flags.RED_ZONE)) {
      zones.push(cache.objectOffset - RED_SIZE);
      // REDZONE_ALIGN is 4 on some machines of 32 bits, 8 on others.
      if (user < 0 || word === 8) zones.push(cache.slotSize - RED_SIZE - (user < 0 ? 0 : RED_SIZE));
    }
    // With debug_pagealloc whole pages of free objects are taken out of the page tables instead.
    const unmapped = has(OFF_SLAB) && cache.slotSize % kernel.pageSize === 0;
    const poisoned = has(flags.POISON) && !unmapped;
    if (zones.length === 0 && !poisoned) return null;
    return new SlabDebugBytes(slab, cache, zones, poisoned, user);
  }

  /** Findings of one slab's objects go to `issues`. */
  check({ first, count, states, slab }: SlabObjects, issues: Issues): void {
    const { slotSize, objectOffset, name, num } = this.#cache;
    const { kernel, map, layout } = this.#slab;
    try {
      const list = map.physicalOf(layout.descriptor.indexes(slab));
      for (let i = 0; i < count; i++) {
        if (states[i] === UNKNOWN) continue;
        const object = first + i * slotSize;
        kernel.physical.read(object - objectOffset, this.#slot);
        this.#checkZones(object, states[i] === ALLOCATED, i, issues);
        // The freelist may lie in a free object.
        const inside = list >= object && list < object + slotSize;
        if (states[i] !== ALLOCATED && this.#poisoned) {
          this.#checkPoison(object, inside ? list - object + num * layout.descriptor.indexSize : 0, issues);
        }
      }
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `objects of the slab at ${hex(slab)} of ${name}: ${error.message}`, slab);
    }
  }

  #checkZones(object: number, isAllocated: boolean, index: number, issues: Issues): void {
    const { littleEndian } = this.#slab.kernel.memory;
    const { name, objectOffset } = this.#cache;
    splitU64(isAllocated ? RED_ACTIVE : RED_INACTIVE);
    const wantedHigh = halves[HIGH];
    const wantedLow = halves[LOW];
    for (const [i, zone] of this.#zones.entries()) {
      const low = this.#view.getUint32(zone + (littleEndian ? 0 : 4), littleEndian);
      const high = this.#view.getUint32(zone + (littleEndian ? 4 : 0), littleEndian);
      if (low === wantedLow && high === wantedHigh) continue;
      const found = this.#view.getBigUint64(zone, littleEndian);
      const place = this.#slab.map.toVirtual(object - objectOffset + zone);
      const at = hex(this.#slab.map.toVirtual(object));
      const side = i === 0 ? 'before' : 'behind';
      const who = i === 0 ? this.#before(object, index) : this.#lastUser();
      const whose = isAllocated ? 'allocated' : 'free';
      const message = `the ${whose} object at ${at} of ${name}: the red zone ${side} it is ${hex(found)}, not ${hex(isAllocated ? RED_ACTIVE : RED_INACTIVE)}${who}`;
      issues.add('red-zone-overwritten', message, place);
    }
  }

  #before(object: number, index: number): string {
    if (index === 0) return '; no object lies before it: whoever has or had it wrote before its start';
    return `; the object before it, ${hex(this.#slab.map.toVirtual(object - this.#cache.slotSize))}, likely wrote past its end`;
  }

  #lastUser(): string {
    if (this.#user < 0) return '';
    const { memory } = this.#slab.kernel;
    const caller =
      memory.pointerSize === 8
        ? this.#view.getBigUint64(this.#user, memory.littleEndian)
        : BigInt(this.#view.getUint32(this.#user, memory.littleEndian));
    return caller === 0n ? '' : `; used last by ${placeText(symbolPlace(this.#slab.kernel, caller))}`;
  }

  /** @param skip bytes at the object's start that hold something else */
  #checkPoison(object: number, skip: number, issues: Issues): void {
    const { objectOffset, objectSize, name } = this.#cache;
    const slot = this.#slot;
    for (let i = skip; i < objectSize; i++) {
      const wanted = i === objectSize - 1 ? POISON_END : POISON_FREE;
      const found = slot[objectOffset + i];
      if (found === wanted) continue;
      const { map } = this.#slab;
      const place = map.toVirtual(object + i);
      const message = `the free object at ${hex(map.toVirtual(object))} of ${name} has ${hex(found)} at ${hex(place)}, where its poison should be ${hex(wanted)}: it was written to after it was freed${this.#lastUser()}`;
      issues.add('use-after-free', message, place);
      return;
    }
  }
}
