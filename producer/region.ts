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
  /** How the series' own Qualcomm driver enters it in the minidump table; absent for a registration of no series: the back-end's own rule holds. */
  readonly minidump?: MinidumpName;
}

/** A region's name in a minidump table, complete as it stands there (`Klinux_ba`, `Kunknown`, RFC v1: `K0vmcorein`), and its seq_num (RFC v1: 0). */
export interface MinidumpName {
  readonly name: string;
  readonly sequence: number;
}
