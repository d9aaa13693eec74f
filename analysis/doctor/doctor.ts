// Every inconsistency that the checks find, with the bytes at its place.
import { FAULT_SENTENCES, Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { CHECKS, type CheckName } from './checks.js';
import { Judge, type Sureness } from './sureness.js';

export interface Finding {
  readonly check: CheckName;
  readonly code: string;
  readonly message: string;
  readonly address: bigint | null;
  /** The bytes that lie at `address`, as hexadecimal digits; null where nothing can be read there. */
  readonly evidence: string | null;
  readonly sure: Sureness;
  /** Why so sure, or what else explains it. */
  readonly why: string;
}

const EVIDENCE = 64;
/** Sentences that are remembered of a check. */
const MOST_TOLD = 100_000;

/** Findings check by check; a check that cannot be made is told in `issues`, and the others are made. */
export function* doctor(kernel: Kernel, names: readonly CheckName[], issues: Issues): Iterable<Finding> {
  const judge = new Judge(kernel);
  for (const check of names) {
    const found = new Findings(issues);
    try {
      CHECKS[check].run(kernel, found);
    } catch (error) {
      if (error instanceof Missing) issues.add(`missing-${error.kind}`, `${check} is not checked: ${error.message}`);
      else if (error instanceof MemoryFault)
        issues.add('unreadable-memory', `${check} is not checked: ${error.message}`, error.address);
      else throw error;
    }
    for (const { code, message, address } of found) {
      const place = typeof address === 'bigint' ? address : null;
      const evidence = place === null ? null : bytesAt(kernel, place);
      yield { check, code, message, address: place, evidence, ...judge.of(check, code) };
    }
  }
}

/** What a check tells: of what the dump only lacks nothing is wrong, so that it is no finding. It is told apart before findings of a kind are counted. */
class Findings extends Issues {
  readonly #lacks: Issues;
  readonly #told = new Set<string>();
  readonly #lacking = new Set<string>();

  constructor(lacks: Issues) {
    super();
    this.#lacks = lacks;
  }

  override add(code: string, message: string, address: bigint | number | null = null): void {
    // Two ways to the same damage tell it in the same words.
    if (this.#told.has(message)) return;
    if (this.#told.size < MOST_TOLD) this.#told.add(message);
    // What a walk tells behind a place that the dump lacks follows from that.
    const walk = message.slice(0, message.indexOf(': ') + 2);
    const lacks = code.startsWith('missing-') || isLack(message) || this.#lacking.has(walk);
    if (lacks && walk !== '' && this.#lacking.size < MOST_TOLD) this.#lacking.add(walk);
    if (lacks) this.#lacks.add(code, message, address);
    else super.add(code, message, address);
  }
}

/** Nothing is wrong with what the dump, or what is known of its kernel's types, only lacks. */
const isLack = (message: string): boolean => LACKS.some(sentence => message.includes(sentence));
const LACKS = [FAULT_SENTENCES.excluded, FAULT_SENTENCES.unregistered, FAULT_SENTENCES.truncated];

function bytesAt(kernel: Kernel, address: bigint): string | null {
  const { memory } = kernel;
  for (let length = EVIDENCE; length >= 8; length >>= 1) {
    const at = memory.locate(address, length);
    if (at < 0) continue;
    return [...memory.arena.subarray(at, at + length)].map(byte => byte.toString(16).padStart(2, '0')).join('');
  }
  return null;
}
