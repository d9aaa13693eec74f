// What meminspect v1, v2 and v3 register: annotations of the build and calls at run time. Sources: the patches to init/version-timestamp.c, kernel/{configs,fork,kallsyms,panic,
// vmcore_info}.c, kernel/irq/irqdesc.c, kernel/printk/printk.c, kernel/sched/core.c, kernel/time/{timer,timekeeping}.c, mm/{init-mm,mm_init,numa,page_alloc,percpu,show_mem,sparse,swapfile}.c.
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

/** In the order of a boot: setup_arch, sparse_init, setup_log_buf, sched_init, subsys_initcall, device_initcall. */
const early = (usages: boolean): readonly Entry[] => [
  { what: 'node' },
  { what: 'section-roots', id: null },
  ...(usages
    ? [
        {
          what: 'unknown',
          name: 'mem_section_usage',
          why: 'the size of a section usage map is in no symbol and no line of VMCOREINFO',
        } as const,
      ]
    : []),
  { what: 'dynamic-ring', ids: null },
  { what: 'per-cpu', symbol: 'runqueues', type: 'rq' },
  { what: 'vmcoreinfo', id: 'VMCOREINFO' },
  { what: 'config', id: 'CONFIG' },
];

const upToRing = (irqs: Entry): readonly Entry[] => [
  TOTALRAM,
  ...CPU_MASKS,
  MEM_SECTION,
  JIFFIES,
  BANNER,
  symbol('nr_threads', INT),
  irqs,
  ...TAINT,
  symbol('node_states'),
  symbol('__per_cpu_offset'),
  symbol('nr_swapfiles', INT),
  symbol('init_uts_ns'),
  ...STATIC_RING,
];

const MEMORY: readonly Entry[] = [symbol('high_memory', WORD), symbol('init_mm')];
const PGD = symbol('swapper_pg_dir', WORD);

const first = (base: readonly Entry[]): RegionSet => ({
  early: early(true),
  annotations: [
    ...upToRing(symbol('nr_irqs', INT, 'nr_irqs', 'total_nr_irqs')),
    ...MEMORY,
    ...IMAGE,
    KALLSYMS_NUM,
    ...base,
    ...KALLSYMS_TABLES,
    PGD,
  ],
  withBackend: [],
});

export const MEMINSPECT_V1: RegionSet = first([KALLSYMS_BASE]);

/** As v1, without kallsyms_relative_base: its ID stays empty. */
export const MEMINSPECT_V2: RegionSet = first([]);

export const MEMINSPECT_V3: RegionSet = {
  early: early(false),
  annotations: [
    ...upToRing(symbol('total_nr_irqs', INT, 'total_nr_irqs', 'nr_irqs')),
    symbol('clear_seq', { of: 'symbol', type: 'latched_seq' }),
    ...MEMORY,
    ...IMAGE,
    KALLSYMS_NUM,
    ...KALLSYMS_TABLES,
    PGD,
    // tk_core is what kernels before 6.17 have in its place.
    symbol('tk_data', { of: 'symbol' }, 'timekeeper_data', 'tk_core'),
  ],
  withBackend: [],
};
