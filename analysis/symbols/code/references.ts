// Which addresses a function's code names: what takes the address of a variable, loads it or stores to it. Decoded just as far as that needs, and without following branches: what comes out are candidates,
// which whoever asks confirms by what lies there.
import { arm64References } from './arm64.js';

export interface CodeReference {
  readonly address: bigint;
  /** Bytes loaded or stored there; 0 where only the address is taken. */
  readonly size: number;
}

/** What code may stand on beside itself. */
export interface CodeMemory {
  readonly littleEndian: boolean;
  /** A word of memory, for what is loaded from a table of addresses. Throws MemoryFault. */
  pointer(address: bigint): bigint;
}

/**
 * @param code whole instructions
 * @param address of the first
 */
export type FindReferences = (code: Uint8Array, address: bigint, memory: CodeMemory) => Iterable<CodeReference>;

/** By the architecture's name. */
export const CODE_REFERENCES: Readonly<Record<string, FindReferences>> = {
  arm64: arm64References,
};
