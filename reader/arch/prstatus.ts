// struct elf_prstatus, whose fields around pr_reg are the same on all architectures of one word size. Source: include/linux/elfcore.h (6.x): elf_siginfo (12 bytes), pr_cursig,
// pr_sigpend, pr_sighold, four pids, four timevals, pr_reg, pr_fpvalid.
import { alignUp } from '../u64.js';
import type { NoteRegister, PrstatusLayout, RegisterPlace } from './arch.js';

/** One place of pr_reg: a name, '' for a reserved place. */
export type RegisterName = string;

const COMMON = {
  32: { pid: 24, registersAt: 72, word: 4 },
  64: { pid: 32, registersAt: 112, word: 8 },
} as const;

/** A pr_reg whose elements are all of the word size. */
export function prstatus(
  bits: 32 | 64,
  names: readonly RegisterName[],
  programCounter: string,
  stackPointer: string,
): PrstatusLayout {
  const { registersAt, word } = COMMON[bits];
  const registers = names
    .map((name, i): RegisterPlace => ({ name, offset: registersAt + i * word, size: word }))
    .filter(register => register.name !== '');
  return prstatusOf(bits, registers, names.length * word, programCounter, stackPointer);
}

/** A pr_reg of any layout; offsets count from the start of elf_prstatus. */
export function prstatusOf(
  bits: 32 | 64,
  registers: readonly RegisterPlace[],
  registersSize: number,
  programCounter: string,
  stackPointer: string,
): PrstatusLayout {
  const { pid, registersAt, word } = COMMON[bits];
  const size = alignUp(registersAt + registersSize + 4, word);
  return { size, pid, registersAt, registersSize, registers, programCounter, stackPointer };
}

/** `prefix` followed by the numbers from `from` to `to`, and `suffix`. */
export function numbered(prefix: string, from: number, to: number, suffix = ''): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${prefix}${from + i}${suffix}`);
}

/** Registers of one size, one behind the other. */
export function registersAt(names: readonly string[], offset: number, size: 4 | 8 | 16): NoteRegister[] {
  return names.map((name, i) => ({ name, offset: offset + i * size, size }));
}

/** sizeof(struct elf_prpsinfo): uid and gid have 32 bits on the 64-bit architectures, 16 on i386 and arm. */
export const PRPSINFO_SIZE = { 32: 124, 64: 136 } as const;
