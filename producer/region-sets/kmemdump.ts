// What kmemdump RFC v2 and v3 register. v2: annotations of the build and wrapped allocations, as its patches have them (posting of 2025-07-24). v3: all from
// kernel/vmcore_info.c (vmcoreinfo_kmemdump) and kernel/printk/printk.c (log_buf_vmcoreinfo_kmemdump) of the posting of 2025-09-12.
import {
  BANNER,
  CPU_MASKS,
  type Entry,
  IMAGE,
  INT,
  JIFFIES,
  KALLSYMS_BASE,
  KALLSYMS_NUM,
  KALLSYMS_TABLES,
  MEM_SECTION,
  type RegionSet,
  STATIC_RING,
  symbol,
  TAINT,
  TOTALRAM,
  WORD,
} from './entry.js';

/** &init_mm.pgd, one word of it. */
const INIT_MM_PGD: Entry = {
  what: 'member',
  id: 'init_mm_pgd',
  symbol: 'init_mm',
  type: 'mm_struct',
  member: 'pgd',
  size: WORD,
};
const NR_IRQS = symbol('nr_irqs', INT, 'nr_irqs', 'total_nr_irqs');
/** The template in the image, not the CPUs' own. */
const RUNQUEUES = symbol('runqueues');
const KALLSYMS: readonly Entry[] = [KALLSYMS_NUM, KALLSYMS_BASE, ...KALLSYMS_TABLES];
const NEW_RING: Entry = { what: 'dynamic-ring', ids: ['prb_data', 'prb_descs', 'prb_infos'] };

export const KMEMDUMP_RFC2: RegionSet = {
  early: [
    { what: 'node' },
    { what: 'section-roots', id: 'MEMSECT' },
    NEW_RING,
    { what: 'vmcoreinfo', id: 'VMCOREINFO' },
    { what: 'config', id: 'CONFIG' },
  ],
  annotations: [
    TOTALRAM,
    ...CPU_MASKS,
    JIFFIES,
    BANNER,
    symbol('nr_threads', INT),
    NR_IRQS,
    ...TAINT,
    MEM_SECTION,
    { what: 'node-data', id: 'node_data' },
    symbol('node_states'),
    symbol('__per_cpu_offset'),
    symbol('nr_swapfiles', INT),
    symbol('init_uts_ns'),
    ...STATIC_RING,
    RUNQUEUES,
    symbol('high_memory', WORD),
    symbol('init_mm'),
    INIT_MM_PGD,
    ...IMAGE,
    ...KALLSYMS,
    symbol('swapper_pg_dir', WORD),
    // struct new_utsname: six fields of 65 bytes.
    {
      what: 'member',
      id: 'init_uts_ns_name',
      symbol: 'init_uts_ns',
      type: 'uts_namespace',
      member: 'name',
      size: { of: 'bytes', bytes: 6 * 65 },
    },
  ],
  withBackend: [],
};

export const KMEMDUMP_RFC3: RegionSet = {
  early: [
    // A larger ring takes the IDs first; the static parts are then refused.
    NEW_RING,
    ...['prb', 'prb_descs', 'prb_infos', 'prb_data', 'printk_rb_static', 'printk_rb_dynamic'].map(ringEntry),
    { what: 'vmcoreinfo', id: 'VMCOREINFO' },
    BANNER,
    symbol('init_uts_ns'),
    RUNQUEUES,
    { what: 'config', id: 'CONFIG' },
    ...CPU_MASKS,
    NR_IRQS,
    ...TAINT,
    JIFFIES,
    symbol('nr_threads', INT),
    symbol('node_states'),
    symbol('init_mm'),
    INIT_MM_PGD,
    TOTALRAM,
    symbol('nr_swapfiles', INT),
    symbol('__per_cpu_offset'),
    symbol('high_memory', WORD),
    { what: 'node-data', id: 'node_data' },
    { what: 'node' },
    MEM_SECTION,
    { what: 'section-root' },
    { what: 'section-roots', id: 'MEMSECT' },
    ...KALLSYMS,
    ...IMAGE,
    symbol('swapper_pg_dir', WORD),
  ],
  annotations: [],
  withBackend: [],
};

function ringEntry(id: string): Entry {
  const entry = STATIC_RING.find(part => part.what === 'symbol' && part.id === id);
  if (entry === undefined) throw new TypeError(`the static ring has no ${id}`);
  return entry;
}
