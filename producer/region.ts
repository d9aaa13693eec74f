// A registered memory region: what a registry holds and a back-end is told of.

export interface Region {
  /** The region's ID in its series' vocabulary. */
  readonly id: number;
  /** The name of the registered thing, for instance `linux_banner`; '' for a dynamic registration without one. */
  readonly name: string;
  /** The virtual address that the registry records (of which kind depends on the series: image or linear map). */
  readonly vaddr: bigint;
  readonly paddr: number;
  /** Bytes, as registered: back-ends may round it up. */
  readonly size: number;
}
