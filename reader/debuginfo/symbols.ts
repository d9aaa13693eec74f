// Names and addresses, from whatever source: kallsyms in the dump, an ELF symbol table, VMCOREINFO.

export interface KernelSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 if unknown. */
  readonly size: number;
  /** How the size is known: from a symbol table (`exact`), from the next symbol's address (`neighbour`: an upper bound), or not at all. */
  readonly sizeFrom: 'exact' | 'neighbour' | 'none';
  /** nm's letter. */
  readonly type: string;
}

export interface Symbols {
  /** Where these symbols come from: `kallsyms`, `symtab`, `vmcoreinfo`. */
  readonly source: string;
  readonly count: number;
  /** Addresses of many names in one pass; names that are not there are absent from the result. */
  resolve(names: Iterable<string>): Map<string, KernelSymbol>;
  /** The symbol that covers an address, or null. */
  at(address: bigint): KernelSymbol | null;
}
