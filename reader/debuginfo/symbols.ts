// Names and addresses, from whatever source: kallsyms in the dump, an ELF symbol table, VMCOREINFO.

export interface KernelSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 if unknown. */
  readonly size: number;
  /** How the size is known: from a symbol table (`exact`), from the next symbol's address (`neighbour`: an upper bound), or not at all. */
  readonly sizeFrom: 'exact' | 'neighbour' | 'none';
  /** nm's letter; `?` if unknown. */
  readonly type: string;
  /** The address is that of a per-CPU variable's template: a CPU's own copy lies at address + __per_cpu_offset[cpu], modulo the word size. */
  readonly perCpu: boolean;
  /** The module that it is of; null for the kernel itself. */
  readonly module: string | null;
  /** Of a symbol that is out of no table: how it was found. */
  readonly from?: string;
}

export interface Symbols {
  /** Where these symbols come from: `kallsyms`, `symtab`, `system-map`, `vmcoreinfo`, `found`, `modules`; '' for none. */
  readonly source: string;
  readonly count: number;
  /** Why `search` may not have found all symbols of the kernel and its modules, for people; '' or absent if it has. Looked at behind a search. */
  readonly lack?: string;
  /** Addresses of many names in one pass; names that are not there are absent from the result. Of several symbols of one name it is the lowest. */
  resolve(names: Iterable<string>): Map<string, KernelSymbol>;
  /** Every symbol of a name, the lowest address first: static functions and variables may be several. */
  all(name: string): readonly KernelSymbol[];
  /**
   * All symbols whose names `match` accepts, in the source's order.
   * @throws MemoryFault if the names cannot be read
   */
  search(match: (name: string) => boolean): Iterable<KernelSymbol>;
  /** The symbol that covers an address, or null. Of several at one place it is the first, as the kernel prints. */
  at(address: bigint): KernelSymbol | null;
}
