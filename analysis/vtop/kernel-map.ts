// Finds the kernel's page tables and lets the address map of a dump use them, once known content was read through them. What segments, image and linear maps hold is still
// found there, without page tables.
import { type AddressMap, type Dump, FaultRecord, hex, type Issues } from 'kdumpling/reader';
import type { PagingProbe, PagingTables } from 'kdumpling/reader/arch';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import { PageTable } from './page-table.js';
import { hashVmemmap } from './ppc64-hash.js';
import { proveTables } from './prove-tables.js';

/** The kernel's tables as they were found. */
export interface KernelMap {
  readonly table: PageTable;
  readonly tables: PagingTables;
  /** What confirmed them, for instance `_stext`. */
  readonly confirmedBy: string;
}

/** What of a dump is needed. */
export type MappedDump = Pick<Dump, 'arch' | 'pageSize' | 'physical' | 'virtual' | 'vmcoreinfo' | 'notes'>;

/** Names that are asked for together. */
const NAMES = [
  'swapper_pg_dir',
  'init_top_pgt',
  'init_level4_pgt',
  '_stext',
  '_sinittext',
  'init_uts_ns',
  'linux_banner',
  'init_task',
  'modules',
] as const;

/**
 * Sets the translator of `dump.virtual`. Returns null, with an issue, where the architecture's tables are not known here, cannot be found, or are not what they were taken for.
 * @param symbols null where there are none: VMCOREINFO then has to name the top table
 */
export function mapKernel(dump: MappedDump, symbols: Symbols | null, issues: Issues): KernelMap | null {
  const paging = dump.arch?.paging;
  if (paging === undefined) {
    const name = dump.arch?.name ?? 'an unknown architecture';
    issues.add(
      'no-page-tables',
      `page tables of ${name} are not known here: only what segments and linear maps hold can be read`,
    );
    return null;
  }
  const probe = probeOf(dump, symbols);
  let against = '';
  let first: PagingTables | null = null;
  for (const tables of paging.kernelTables(probe)) {
    first ??= tables;
    const table = new PageTable(dump.physical, tables, 'kernel');
    const proof = proveTables(table, probe, dump.virtual);
    if (proof.by === '') {
      if (against === '') against = proof.against;
      continue;
    }
    dump.virtual.translator = table;
    for (const range of hashVmemmap(probe, issues)) dump.virtual.add(range);
    return { table, tables, confirmedBy: proof.by };
  }
  if (first === null) issues.add('no-page-tables', `the kernel's page tables cannot be found: ${whyNoRoot(probe)}`);
  else {
    const why = against === '' ? 'the dump lacks what would confirm them' : against;
    issues.add(
      'page-tables-unconfirmed',
      `the page tables at physical ${hex(first.root)} (${first.from}) are not used: ${why}`,
      first.root,
    );
  }
  return null;
}

function whyNoRoot(probe: PagingProbe): string {
  if (probe.symbol('swapper_pg_dir') === null)
    return 'no symbol names swapper_pg_dir (VMCOREINFO does, and so does a vmlinux)';
  return 'nothing tells the physical address of swapper_pg_dir (the map of the image does; a region core needs that region registered)';
}

function probeOf(dump: MappedDump, symbols: Symbols | null): PagingProbe {
  const { vmcoreinfo, physical, pageSize, notes } = dump;
  const found = symbols?.resolve(NAMES);
  return {
    vmcoreinfo,
    physical,
    pageSize,
    notes,
    symbol: name => vmcoreinfo?.symbol(name) ?? found?.get(name)?.address ?? null,
    toPhysical: vaddr => withoutTables(dump.virtual, vaddr),
  };
}

/** By the ranges of the map alone. */
function withoutTables(virtual: AddressMap, vaddr: bigint): number {
  const { translator } = virtual;
  virtual.translator = null;
  try {
    return virtual.translate(vaddr);
  } finally {
    virtual.translator = translator;
  }
}

/** A kernel address by page tables alone, whatever the map says; -1 with the reason in `fault`. */
export function translateByTables(map: KernelMap, vaddr: bigint, fault: FaultRecord = new FaultRecord()): number {
  return map.table.translate(vaddr, fault);
}
