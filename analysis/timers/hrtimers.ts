// High-resolution timers of each CPU: a tree by expiry for each clock. Source: include/linux/{hrtimer,hrtimer_defs,timerqueue}.h, kernel/time/hrtimer.c (2.6.38 to 7.3).
import { hex, type Issues } from 'kdumpling/reader';
import { rbEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, type Struct, struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';
import { type Purpose, Purposes } from './purpose.js';

/** What is unknown is null; nanoseconds of the clock. */
export interface Hrtimer {
  /** The address of its hrtimer. */
  readonly timer: bigint;
  readonly expires: bigint | null;
  readonly softExpires: bigint | null;
  /** From now on; negative for what is overdue. */
  readonly remaining: bigint | null;
  readonly function: SymbolPlace | null;
  /** What for, where the function does not say. */
  readonly purpose: Purpose | null;
}

export interface HrtimerClock {
  /** For instance `CLOCK_MONOTONIC`; `clock N` for one that is not known here. */
  readonly clock: string;
  /** Its timers run in the soft interrupt (4.16 and later, commit 98ecadd4305d). */
  readonly soft: boolean;
  /** Of its hrtimer_clock_base. */
  readonly address: bigint;
  /** What the clock is ahead of CLOCK_MONOTONIC. */
  readonly offset: bigint | null;
  /** By when they are due. */
  readonly timers: readonly Hrtimer[];
}

/** include/uapi/linux/time.h. */
const CLOCKS: Readonly<Record<number, string>> = {
  0: 'CLOCK_REALTIME',
  1: 'CLOCK_MONOTONIC',
  7: 'CLOCK_BOOTTIME',
  11: 'CLOCK_TAI',
};
/** HRTIMER_MAX_CLOCK_BASES is 8, and 4 where there are no soft ones. */
const MOST_CLOCKS = 16;
const HARD_CLOCKS = 4;

export class Hrtimers {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  readonly #base: Struct;
  readonly #clock: Struct;
  readonly #timer: Struct;
  readonly #now: bigint | null;
  readonly #columns: Columns;
  readonly #purposes: Purposes;
  /** A timer is in one tree. */
  readonly #seen = new Set<bigint>();
  readonly #read: Record<'expires' | 'soft' | 'run' | 'owner', Get<bigint | null>>;

  /** @param now CLOCK_MONOTONIC, nanoseconds; @throws Missing */
  constructor(kernel: Kernel, now: bigint | null, issues: Issues) {
    this.#kernel = kernel;
    this.#issues = issues;
    this.#now = now;
    this.#base = struct(kernel, 'hrtimer_cpu_base');
    this.#clock = struct(kernel, 'hrtimer_clock_base');
    this.#timer = struct(kernel, 'hrtimer');
    this.#columns = new Columns('hrtimer', issues);
    this.#purposes = new Purposes(kernel);
    const word = (path: string) => this.#columns.add(path, () => this.#timer.word(path));
    this.#read = {
      expires: word('node.expires'),
      soft: word('_softexpires'),
      run: word('function'),
      owner: word('base'),
    };
  }

  /** The clocks of a CPU, from its hrtimer_cpu_base. @throws MemoryFault, Missing */
  of(address: bigint, cpu: number): HrtimerClock[] {
    const count = Math.min(this.#base.sizeOf('clock_base') / this.#clock.size, MOST_CLOCKS);
    const start = this.#base.address('clock_base')(address);
    const active = this.#base.has('active_bases') ? this.#base.number('active_bases')(address) : null;
    return Array.from({ length: count }, (_, i) => {
      const before = this.#issues.count;
      const clock = this.#clockAt(start + BigInt(i * this.#clock.size), i, cpu);
      const bit = active === null ? null : ((active >>> i) & 1) === 1;
      const cut = this.#issues.count > before;
      if (!cut && bit !== null && bit !== clock.timers.length > 0) {
        const message = `${clock.clock} of CPU ${cpu} has ${clock.timers.length} timers, but active_bases says that it has ${bit ? 'some' : 'none'}`;
        this.#issues.add('damaged-hrtimers', message, clock.address);
      }
      return clock;
    });
  }

  #clockAt(address: bigint, index: number, cpu: number): HrtimerClock {
    const id = this.#clock.number('clockid')(address);
    const clock = CLOCKS[id] ?? `clock ${id}`;
    const offset = this.#clock.has('offset') ? BigInt.asIntN(64, this.#clock.word('offset')(address)) : null;
    const now = this.#now === null || offset === null ? null : this.#now + offset;
    // timerqueue_head holds a cached root since 5.4 (commit 511885d7061e), a root and a pointer to the next before, and a root of linked nodes in 7.3: the root is first in each.
    const root = this.#clock.address('active')(address);
    const name = `${clock} of CPU ${cpu}`;
    const timers: Hrtimer[] = [];
    let last: bigint | null = null;
    for (const timer of rbEntries(this.#kernel, root, this.#timer, 'node.node', this.#issues, { name })) {
      if (this.#seen.has(timer)) {
        this.#issues.add('damaged-hrtimers', `${name}: the timer ${hex(timer)} is in another tree too`, timer);
        continue;
      }
      this.#seen.add(timer);
      const row = this.#row(timer, now, address);
      if (last !== null && row.expires !== null && row.expires < last) {
        this.#issues.add('damaged-hrtimers', `${name}: the timer ${hex(timer)} is due before the one before it`, timer);
      }
      last = row.expires ?? last;
      timers.push(row);
    }
    return { clock, soft: index >= HARD_CLOCKS, address, offset, timers };
  }

  #row(timer: bigint, now: bigint | null, base: bigint): Hrtimer {
    const { expires, soft, run, owner } = this.#read;
    const signed = (value: bigint | null) => (value === null ? null : BigInt.asIntN(64, value));
    const at = signed(expires(timer));
    const pointer = run(timer);
    const place = pointer === null ? null : symbolPlace(this.#kernel, pointer);
    const clock = owner(timer);
    const row = {
      timer,
      expires: at,
      softExpires: signed(soft(timer)),
      remaining: at === null || now === null ? null : at - now,
      function: place,
      purpose: this.#purposes.of(place, timer),
    };
    this.#columns.tell(timer);
    if (clock !== null && clock !== base) {
      this.#issues.add(
        'damaged-hrtimers',
        `the timer ${hex(timer)} in the tree of ${hex(base)} says that it is of ${hex(clock)}`,
        timer,
      );
    }
    return row;
  }
}
