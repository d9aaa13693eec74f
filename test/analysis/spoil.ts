// Rubbish in made memory: words at random places become other addresses of that memory, numbers, or nothing. The same seed spoils the same way.
import { performance } from 'node:perf_hooks';
import type { ExecutionContext } from 'ava';
import { Missing } from 'kdumpling/analysis';
import { MemoryFault } from 'kdumpling/reader';
import type { MadeMemory } from './collections/made-memory.js';

/** mulberry32. */
function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FIRST = 0x100;

export function spoil(memory: MadeMemory, seed: number, words: number): void {
  const random = randoms(seed);
  const place = (): bigint => {
    const at = FIRST + Math.floor(random() * (memory.used - FIRST));
    return memory.base + BigInt(at - (at % 8));
  };
  for (let i = 0; i < words; i++) {
    const kind = random();
    const number = BigInt(Math.floor(random() * 2 ** 32)) << (random() < 0.5 ? 0n : 32n);
    memory.words(place(), kind < 0.6 ? place() : kind < 0.8 ? number : 0n);
  }
}

const ROUNDS = 150;
/** A walk over a few KiB that takes longer goes in circles. */
const MOST_MS = 2000;

/** Whatever stands in the memory, an answer comes, or one of the two refusals that there are. */
export function survives(t: ExecutionContext, make: () => { readonly memory: MadeMemory; ask(): unknown }): void {
  let answered = 0;
  let longest = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const made = make();
    spoil(made.memory, seed, 1 + (seed % 12));
    const start = performance.now();
    try {
      made.ask();
      answered++;
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) {
        t.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
        return;
      }
    }
    longest = Math.max(longest, performance.now() - start);
  }
  t.true(answered > ROUNDS / 2, `${answered} answers`);
  t.true(longest < MOST_MS, `${longest} ms`);
}
