// The clocks of a timekeeper without types. The layout is written by hand, as include/linux/timekeeper_internal.h of 6.1 has it: tkr_mono, tkr_raw, then xtime_sec and what follows.
import test from 'ava';
import { type Clock, clockByContent } from 'kdumpling/analysis/machine';
import { BIG, LITTLE, type Machine, MadeMemory, SMALL } from '../collections/made-memory.js';

const NS = 1_000_000_000n;
const SECONDS = 1_700_000_000n;
const UP = 100n;
const TO_MONOTONIC = { seconds: UP - SECONDS - 1n, nanoseconds: 250_000_000n };
const AHEAD = -(TO_MONOTONIC.seconds * NS + TO_MONOTONIC.nanoseconds);
const MONOTONIC = SECONDS * NS - AHEAD;
const SLEPT = 7n * NS;
const NSEC = 123_456_789n;
const CLOCKSOURCE = 0xffff_ffff_bd00_0000n;

/** Words of 8 bytes. */
function timekeeper({ littleEndian }: Machine): bigint[] {
  const [mult, shift] = [0x62_9bddn, 24n];
  const rate = littleEndian ? (shift << 32n) | mult : (mult << 32n) | shift;
  const readBase = [CLOCKSOURCE, 0xff_ffff_ffff_ffffn, 42n, rate, NSEC << shift, MONOTONIC, MONOTONIC + AHEAD];
  const raw = [CLOCKSOURCE, 0xff_ffff_ffff_ffffn, 42n, rate, 5n, MONOTONIC + 11n, 0n];
  const { seconds, nanoseconds } = TO_MONOTONIC;
  return [3n, ...readBase, ...raw, SECONDS, SECONDS + seconds, seconds, nanoseconds, AHEAD, SLEPT, AHEAD + 37n * NS];
}

/** Index of a word in them. */
const [CLOCK, MASK, BASE, XTIME, NANOSECONDS, REAL] = [1, 2, 6, 15, 18, 19];

function ask(machine: Machine, change: (words: bigint[]) => void = () => {}): Clock | null {
  const memory = new MadeMemory(4096, machine);
  const words = timekeeper(machine);
  change(words);
  const at = memory.take(8 * words.length);
  memory.words(at, ...words.map(word => BigInt.asUintN(64, word)));
  return clockByContent(memory.kernel([], {}).memory, at, 8 * words.length);
}

test('the clocks, by what their members agree on', t => {
  const wallNs = SECONDS * NS + NSEC;
  const clock = {
    bootNs: AHEAD - SLEPT,
    wallNs,
    uptimeNs: wallNs - AHEAD + SLEPT,
    monotonicNs: wallNs - AHEAD,
  };
  t.deepEqual(ask(LITTLE), clock);
  t.deepEqual(ask(BIG), clock);
  // The copy behind it may be a tick ahead.
  t.deepEqual(
    ask(LITTLE, words => void words.push(...timekeeper(LITTLE).map((word, i) => (i === 5 ? word + 1n : word)))),
    clock,
  );
});

test('members that do not agree are no clocks', t => {
  for (const index of [BASE, BASE + 1, XTIME, NANOSECONDS, REAL]) {
    t.is(
      ask(LITTLE, words => void words.splice(index, 1, words[index] + 1n)),
      null,
      `${index}`,
    );
  }
  t.is(
    ask(LITTLE, words => void words.splice(CLOCK, 1, 1n)),
    null,
  );
  t.is(
    ask(LITTLE, words => void words.splice(MASK, 1, 0xf0n)),
    null,
  );
  t.is(
    ask(LITTLE, words => void words.splice(XTIME)),
    null,
  );
  t.is(ask(SMALL), null);
});
