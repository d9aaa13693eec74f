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

/** Findings check by check; a check that cannot be made is told in `issues`, and the others are made. */
export function* doctor(kernel: Kernel, names: readonly CheckName[], issues: Issues): Iterable<Finding> {
  const judge = new Judge(kernel);
  for (const check of names) {
    const found = new Issues();
    try {
      CHECKS[check].run(kernel, found);
    } catch (error) {
      if (error instanceof Missing) issues.add(`missing-${error.kind}`, `${check} is not checked: ${error.message}`);
      else if (error instanceof MemoryFault)
        issues.add('unreadable-memory', `${check} is not checked: ${error.message}`, error.address);
      else throw error;
    }
    const told = new Set<string>();
    const lacking = new Set<string>();
    for (const { code, message, address } of found) {
      // Two ways to the same damage tell it in the same words.
      if (told.has(message)) continue;
      told.add(message);
      // What a walk tells behind a place that the dump lacks follows from that.
      const walk = message.slice(0, message.indexOf(': ') + 2);
      if (isLack(message) || lacking.has(walk)) {
        if (walk !== '') lacking.add(walk);
        issues.add(code, message, address);
        continue;
      }
      const place = typeof address === 'bigint' ? address : null;
      const evidence = place === null ? null : bytesAt(kernel, place);
      yield { check, code, message, address: place, evidence, ...judge.of(check, code) };
    }
  }
}

/** Nothing is wrong with what the dump only lacks. */
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
