// Finds the kernel's page tables and lets the address map of a dump use them, once known content was read through them. What segments, image and linear maps hold is still
// found there, without page tables.
import {
  type AddressMap,
  type AddressRange,
  type Dump,
  type FaultRecord,
  hex,
  type Issue,
  Issues,
  type Translator,
} from 'kdumpling/reader';
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
  /** Kernel memory that no page table tells of: the memory map of ppc64 with the hash MMU. */
  readonly beside: readonly AddressRange[];
}

/** What of a dump is needed. */
export type MappedDump = Pick<Dump, 'arch' | 'pageSize' | 'physical' | 'virtual' | 'vmcoreinfo' | 'notes'>;

/** Asked for together, where VMCOREINFO does not tell one of them. */
const NAMES = [
  'swapper_pg_dir',
  'init_top_pgt',
  'init_level4_pgt',
  '_stext',
  'init_uts_ns',
  'linux_banner',
  'init_task',
  'modules',
] as const;

/**
 * The kernel's tables; null, with an issue, where the architecture's are not known here, cannot be found, or are not what they were taken for. Changes nothing.
 * @param symbols null where there are none: VMCOREINFO then has to name the top table
 */
export function findKernelMap(dump: MappedDump, symbols: () => Symbols | null, issues: Issues): KernelMap | null {
  const paging = dump.arch?.paging;
  if (paging === undefined) {
    const name = dump.arch === null ? 'an unknown architecture' : dump.arch.name;
    issues.add('no-page-tables', `page tables of ${name} are not known here`);
    return null;
  }
  const probe = probeOf(dump, symbols);
  let against = '';
  let first: PagingTables | null = null;
  for (const tables of paging.kernelTables(probe)) {
    first ??= tables;
    const table = new PageTable(dump.physical, tables, 'kernel');
    const proof = proveTables(table, probe, dump.virtual);
    if (proof.by !== '') return { table, tables, confirmedBy: proof.by, beside: hashVmemmap(probe, issues) };
    if (against === '') against = proof.against;
  }
  if (first === null) issues.add('no-page-tables', `the kernel's page tables cannot be found: ${whyNoRoot(probe)}`);
  else {
    const why = against === '' ? 'the dump lacks what would confirm them' : against;
    const where = `the page tables at physical ${hex(first.root)} (${first.from})`;
    issues.add('page-tables-unconfirmed', `${where} are not used: ${why}`, first.root);
  }
  return null;
}

function whyNoRoot(probe: PagingProbe): string {
  if (probe.symbol('swapper_pg_dir') === null)
    return 'nothing names swapper_pg_dir (VMCOREINFO does, and so does a vmlinux)';
  return 'the physical address of swapper_pg_dir is not known (the map of the image tells it, if the dump has that memory)';
}

function probeOf(dump: MappedDump, symbols: () => Symbols | null): PagingProbe {
  const { vmcoreinfo, physical, pageSize, notes } = dump;
  let found: ReturnType<Symbols['resolve']> | undefined;
  return {
    vmcoreinfo,
    physical,
    pageSize,
    notes,
    symbol(name) {
      const said = vmcoreinfo?.symbol(name);
      if (said !== undefined) return said;
      found ??= symbols()?.resolve(NAMES) ?? new Map();
      return found.get(name)?.address ?? null;
    },
    toPhysical: vaddr => withoutTables(dump.virtual, () => dump.virtual.translate(vaddr)),
  };
}

/** What `ask` says while the map has its ranges alone. */
export function withoutTables<T>(virtual: AddressMap, ask: () => T): T {
  const { translator } = virtual;
  virtual.translator = null;
  try {
    return ask();
  } finally {
    virtual.translator = translator;
  }
}

const LEAST_PAGE = 4096;

/** The kernel's page tables as an address map asks them: looked for when an address is met that no range holds. */
export class KernelTranslator implements Translator {
  readonly #dump: MappedDump;
  readonly #symbols: () => Symbols | null;
  readonly #issues = new Issues();
  #map: KernelMap | null | undefined;
  #looking = false;
  /** Set at the second address that is asked for: the first may not be theirs. */
  #table: PageTable | null = null;
  #own = 0;

  constructor(dump: MappedDump, symbols: () => Symbols | null) {
    this.#dump = dump;
    this.#symbols = symbols;
  }

  /** null where there are no tables; `issues` says why. */
  get map(): KernelMap | null {
    if (this.#map === undefined) this.#map = this.#find();
    return this.#map;
  }

  /** What was found while the tables were looked for. */
  get issues(): readonly Issue[] {
    void this.map;
    return this.#issues.list();
  }

  #find(): KernelMap | null {
    // Symbols may lie in memory that only page tables reach.
    this.#looking = true;
    try {
      const map = findKernelMap(this.#dump, this.#symbols, this.#issues);
      for (const range of map?.beside ?? []) this.#dump.virtual.add(range);
      return map;
    } finally {
      this.#looking = false;
    }
  }

  get reach(): number {
    return this.#table?.reach ?? this.#own;
  }

  translate(vaddr: bigint, fault: FaultRecord): number {
    return this.#table === null ? this.#first(vaddr, fault) : this.#table.translate(vaddr, fault);
  }

  /** The tables are not known yet, or not to be had. */
  #first(vaddr: bigint, fault: FaultRecord): number {
    this.#own = LEAST_PAGE - Number(vaddr % BigInt(LEAST_PAGE));
    if (this.#map === undefined) {
      if (this.#looking) return fault.set('virtual', vaddr, 1, 'not-present', 'page tables are not known yet');
      const paddr = this.#beside(vaddr, this.map);
      if (paddr >= 0) return paddr;
    }
    if (this.#map === null || this.#map === undefined)
      return fault.set('virtual', vaddr, 1, 'not-present', this.#why());
    this.#table = this.#map.table;
    return this.#table.translate(vaddr, fault);
  }

  /** The first address that is asked for may lie in what was just added to the map. */
  #beside(vaddr: bigint, map: KernelMap | null): number {
    const range = map?.beside.find(({ first, last }) => vaddr >= first && vaddr <= last);
    return range === undefined ? -1 : range.target + Number(vaddr - range.first);
  }

  #why(): string {
    return this.#issues.list()[0]?.message ?? '';
  }
}

/**
 * Lets `dump.virtual` read through the kernel's page tables. Nothing is read before an address is asked for that no range holds.
 * @param symbols asked for only where VMCOREINFO does not name the top table
 */
export function attachPageTables(dump: MappedDump, symbols: () => Symbols | null = () => null): KernelTranslator {
  const translator = new KernelTranslator(dump, symbols);
  dump.virtual.translator = translator;
  return translator;
}

/** The translator that `attachPageTables` set; null where none is set. */
export function kernelTranslator(virtual: AddressMap): KernelTranslator | null {
  return virtual.translator instanceof KernelTranslator ? virtual.translator : null;
}
