// What the log's readers ask for addresses and layouts: VMCOREINFO names all that is needed; a kernel's symbols and types do as well.

export interface LogLayouts {
  symbol(name: string): bigint | undefined;
  /** Bytes. */
  size(type: string): number | undefined;
  offset(type: string, member: string): number | undefined;
}
