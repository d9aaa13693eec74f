// The timer wheel of each CPU: buckets of lists, a bitmap of those that are not empty. Source: kernel/time/timer.c (4.8, commit 500462a9de65, to 7.3).
import { hex, type Issues } from 'kdumpling/reader';
import { Bitmap, hlistNodes } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Get, type Struct, struct } from '../object/index.js';
import { byExpiry, TIMER_ARRAY_SHIFT, TIMER_CPU_MASK, type Timer, timerReader } from './timer.js';

export interface Wheel {
  /** What is in it: `standard` and `deferrable`, since 6.9 (commit 83a665dc99a7) `local`, `global` and `deferrable`; `all` without NO_HZ. */
  readonly base: string;
  /** The address of its timer_base, or tvec_base up to 4.7. */
  readonly address: bigint;
  /** Jiffies up to which it has run. */
  readonly clock: bigint;
  /** The timer that was running; null if none was. */
  readonly running: bigint | null;
  /** By when they are due. */
  readonly timers: readonly Timer[];
}

const BASES: Readonly<Record<number, readonly string[]>> = {
  1: ['all'],
  2: ['standard', 'deferrable'],
  3: ['local', 'global', 'deferrable'],
};
const MOST_BASES = 3;
const MOST_BUCKETS = 4096;

export class Wheels {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  readonly #layout: Struct;
  readonly #read: Get<Timer>;
  readonly #now: bigint | null;
  readonly #flags: Get<number>;
  readonly #buckets: number;
  readonly #checked: boolean;
  /** A timer is in one bucket. */
  readonly #seen = new Set<bigint>();

  /** @param checked whether each timer is in the bucket of its expiry. @throws Missing */
  constructor(kernel: Kernel, now: bigint | null, checked: boolean, issues: Issues) {
    this.#checked = checked;
    this.#kernel = kernel;
    this.#issues = issues;
    this.#now = now;
    this.#layout = struct(kernel, 'timer_base');
    this.#read = timerReader(kernel, now, issues);
    this.#flags = struct(kernel, 'timer_list').number('flags');
    this.#buckets = Math.min(this.#layout.sizeOf('vectors') / kernel.memory.pointerSize, MOST_BUCKETS);
  }

  /** The wheels of a CPU, from its timer_bases. @throws MemoryFault, Missing */
  of(bases: bigint, cpu: number): Wheel[] {
    const { size } = this.#layout;
    const bytes = this.#kernel.symbol('timer_bases')?.size ?? 0;
    const most = bytes === 0 ? MOST_BASES : Math.min(MOST_BASES, Math.floor(bytes / size));
    const owner = this.#layout.number('cpu');
    // The size may be an upper bound, or unknown: what does not look like a base of this CPU is none.
    let count = 1;
    while (count < most && this.#isBase(bases + BigInt(count * size), owner, cpu)) count++;
    return (BASES[count] ?? BASES[1]).map((base, i) => this.#wheel(bases + BigInt(i * size), base, cpu));
  }

  #isBase(address: bigint, owner: Get<number>, cpu: number): boolean {
    if (owner(address) !== cpu) return false;
    const clock = this.#layout.word('clk')(address);
    const now = this.#now ?? clock;
    const apart = BigInt.asIntN(this.#kernel.arch.bits, now - clock);
    return apart > -FAR && apart < FAR;
  }

  #wheel(address: bigint, base: string, cpu: number): Wheel {
    const { memory, arch } = this.#kernel;
    const pending = new Bitmap(memory, this.#layout.address('pending_map')(address), this.#buckets);
    const heads = this.#layout.address('vectors')(address);
    const running = this.#layout.word('running_timer')(address);
    const clock = this.#layout.word('clk')(address);
    const timers: Timer[] = [];
    const empty = this.#emptyBuckets(heads);
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (empty(bucket) && !pending.has(bucket)) continue;
      const head = heads + BigInt(bucket * memory.pointerSize);
      const before = this.#issues.count;
      const found = [...this.#inBucket(head, base, bucket, cpu, clock)];
      for (const timer of found) timers.push(timer);
      // Of a list that was cut nothing is counted.
      const cut = this.#issues.count > before;
      if (!cut && pending.has(bucket) !== found.length > 0) {
        const said = pending.has(bucket) ? 'has a timer' : 'is empty';
        const message = `bucket ${bucket} of the ${base} timers of CPU ${cpu} has ${found.length}, but its bit says that it ${said}`;
        this.#issues.add('damaged-timer-wheel', message, head);
      }
    }
    return {
      base,
      address,
      clock,
      running: running === 0n ? null : running,
      timers: timers.sort(byExpiry(this.#now, arch.bits)),
    };
  }

  /** Almost all are: their heads are read at once. */
  #emptyBuckets(heads: bigint): (bucket: number) => boolean {
    const { memory } = this.#kernel;
    const word = memory.pointerSize;
    const at = memory.locate(heads, this.#buckets * word);
    if (at < 0) return () => false;
    const bytes = memory.arena.slice(at, at + this.#buckets * word);
    return bucket => {
      let i = bucket * word;
      const end = i + word;
      while (i < end && bytes[i] === 0) i++;
      return i === end;
    };
  }

  *#inBucket(head: bigint, base: string, bucket: number, cpu: number, clock: bigint): Generator<Timer, void> {
    const name = `bucket ${bucket} of the ${base} timers of CPU ${cpu}`;
    const ofNode = struct(this.#kernel, 'timer_list').container('entry');
    for (const node of hlistNodes(this.#kernel, head, this.#issues, { name })) {
      const timer = ofNode(node);
      if (this.#seen.has(timer)) {
        this.#issues.add('damaged-timer-wheel', `the timer ${hex(timer)} in ${name} is in another bucket too`, timer);
        continue;
      }
      this.#seen.add(timer);
      // The walk has read it: the flags lie beside the links.
      const flags = this.#flags(timer);
      if (flags >>> TIMER_ARRAY_SHIFT !== bucket || (flags & TIMER_CPU_MASK) !== cpu) {
        const claims = `bucket ${flags >>> TIMER_ARRAY_SHIFT} of CPU ${flags & TIMER_CPU_MASK}`;
        this.#issues.add(
          'damaged-timer-wheel',
          `the timer ${hex(timer)} in ${name} says that it is in ${claims}`,
          timer,
        );
      }
      const row = this.#read(timer);
      if (this.#checked) this.#checkExpiry(row, bucket, name, clock);
      yield row;
    }
  }

  /** What was overdue when it was queued is where the clock was then; what is too far off is in the last level. */
  #checkExpiry({ timer, expires }: Timer, bucket: number, name: string, clock: bigint): void {
    const level = Math.floor(bucket / BUCKETS_OF_LEVEL);
    if (expires === null || level === this.#buckets / BUCKETS_OF_LEVEL - 1) return;
    if (level === 0 && BigInt.asIntN(this.#kernel.arch.bits, expires - clock) < 0n) return;
    const wanted = Number(((expires >> BigInt(level * LEVEL_SHIFT)) + 1n) % BigInt(BUCKETS_OF_LEVEL));
    const exact = Number(expires % BigInt(BUCKETS_OF_LEVEL));
    const index = bucket % BUCKETS_OF_LEVEL;
    if (index === wanted || (level === 0 && index === exact)) return;
    const message = `the timer ${hex(timer)} in ${name} expires at ${expires}, which is another bucket's`;
    this.#issues.add('damaged-timer-wheel', message, timer);
  }
}

/** calc_wheel_index(): each level has 64 buckets, of 8 times the jiffies of those of the level below. */
const BUCKETS_OF_LEVEL = 64;
const LEVEL_SHIFT = 3;

/** NEXT_TIMER_MAX_DELTA: no wheel lags behind, or runs ahead, by more. */
const FAR = 1n << 30n;
