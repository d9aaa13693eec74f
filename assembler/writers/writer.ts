// What every output format is to the converter: told of memory once, in ascending order of physical addresses.

/** Bytes are borrowed: consumed before a call returns. Stretches may begin and end anywhere; together they are what the plan promised as present. */
export interface DumpWriter {
  /** Memory that is there. */
  data(paddr: number, bytes: Uint8Array): void;
  /** Memory known to be zeros. */
  zero(paddr: number, length: number): void;
  /** Memory that was promised, but could not be decoded. */
  lost(paddr: number, length: number): void;
  /** Completes the output; the sink is finished by the caller. */
  finish(): void;
}
