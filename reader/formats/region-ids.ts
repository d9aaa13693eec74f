// The region IDs of each series: names in ID order, index 0 unused. The name is what follows the enum's prefix. Sources: include/linux/kmemdump.h
// (RFC v2 and v3; v2 has one ID more, init_uts_ns_name), include/linux/meminspect.h (v1 = v2, v3). RFC v1 has no enum: its IDs are given out.

const MASKS = ['__cpu_possible_mask', '__cpu_present_mask', '__cpu_online_mask', '__cpu_active_mask'];
const RING = ['printk_rb_static', 'printk_rb_dynamic', 'prb', 'prb_descs', 'prb_infos', 'prb_data'];
const IMAGE = ['_sinittext', '_einittext', '_end', '_text', '_stext', '_etext'];
const KALLSYMS_TABLES = [
  'kallsyms_offsets',
  'kallsyms_names',
  'kallsyms_token_table',
  'kallsyms_token_index',
  'kallsyms_markers',
  'kallsyms_seqs_of_names',
];

export const KMEMDUMP_RFC3_IDS: readonly string[] = [
  '',
  'ELF',
  'VMCOREINFO',
  'CONFIG',
  'MEMSECT',
  '_totalram_pages',
  ...MASKS,
  'jiffies_64',
  'linux_banner',
  'nr_threads',
  'nr_irqs',
  'tainted_mask',
  'taint_flags',
  'mem_section',
  'node_data',
  'node_states',
  '__per_cpu_offset',
  'nr_swapfiles',
  'init_uts_ns',
  ...RING,
  'runqueues',
  'high_memory',
  'init_mm',
  'init_mm_pgd',
  ...IMAGE,
  'kallsyms_num_syms',
  'kallsyms_relative_base',
  ...KALLSYMS_TABLES,
  'swapper_pg_dir',
];

export const KMEMDUMP_RFC2_IDS: readonly string[] = [...KMEMDUMP_RFC3_IDS, 'init_uts_ns_name'];

const meminspect = (irqs: string, afterRing: readonly string[], afterInitMm: readonly string[], base: string[]) => [
  '',
  'ELF',
  'VMCOREINFO',
  'CONFIG',
  '_totalram_pages',
  ...MASKS,
  'mem_section',
  'jiffies_64',
  'linux_banner',
  'nr_threads',
  irqs,
  'tainted_mask',
  'taint_flags',
  'node_states',
  '__per_cpu_offset',
  'nr_swapfiles',
  'init_uts_ns',
  ...RING,
  ...afterRing,
  'high_memory',
  'init_mm',
  ...afterInitMm,
  ...IMAGE,
  'kallsyms_num_syms',
  ...base,
  ...KALLSYMS_TABLES,
  'swapper_pg_dir',
];

export const MEMINSPECT_V1_IDS: readonly string[] = meminspect(
  'nr_irqs',
  [],
  ['init_mm_pgd'],
  ['kallsyms_relative_base'],
);

export const MEMINSPECT_V3_IDS: readonly string[] = [...meminspect('total_nr_irqs', ['clear_seq'], [], []), 'tk_data'];

// What the Qualcomm drivers call the IDs: indexed by ID, and shorter than the IDs.

const DRIVER_FIRST = ['', 'ELF', 'vmcoreinfo', 'config'];
const DRIVER_CPUS = ['cpu_possible', 'cpu_present', 'cpu_online', 'cpu_active'];

export const KMEMDUMP_DRIVER_NAMES: readonly string[] = [
  ...DRIVER_FIRST,
  'memsect',
  'totalram',
  ...DRIVER_CPUS,
  'jiffies',
  ...KMEMDUMP_RFC3_IDS.slice(11, 32),
];

export const MEMINSPECT_V1_DRIVER_NAMES: readonly string[] = [
  ...DRIVER_FIRST,
  'totalram',
  ...DRIVER_CPUS,
  'mem_section',
  'jiffies',
  ...MEMINSPECT_V1_IDS.slice(11, 29),
];

/** Off by design of nobody: index 29 says tk_data, ID 29 is _sinittext, and tk_data has ID 43. */
export const MEMINSPECT_V3_DRIVER_NAMES: readonly string[] = [
  ...DRIVER_FIRST,
  'totalram',
  ...DRIVER_CPUS,
  'mem_section',
  'jiffies',
  'linux_banner',
  'nr_threads',
  'nr_irqs',
  ...MEMINSPECT_V3_IDS.slice(14, 29),
  'tk_data',
];

/** A posting's numbers: what writes a dump of its regions and what reads one name them by these. */
export interface RegionSeries {
  readonly series: string;
  /** By ID. */
  readonly ids: readonly string[];
  /** What the Qualcomm driver calls each. */
  readonly driverNames: readonly string[];
}

/** The newest first. */
export const REGION_SERIES: readonly RegionSeries[] = [
  { series: 'meminspect v3', ids: MEMINSPECT_V3_IDS, driverNames: MEMINSPECT_V3_DRIVER_NAMES },
  { series: 'meminspect v1', ids: MEMINSPECT_V1_IDS, driverNames: MEMINSPECT_V1_DRIVER_NAMES },
  { series: 'kmemdump RFC v3', ids: KMEMDUMP_RFC3_IDS, driverNames: KMEMDUMP_DRIVER_NAMES },
  { series: 'kmemdump RFC v2', ids: KMEMDUMP_RFC2_IDS, driverNames: KMEMDUMP_DRIVER_NAMES },
];

/** Regions that no variable of their name lies at: tables, members, what a pointer leads to, a per-CPU template. */
export const NOT_VARIABLES: ReadonlySet<string> = new Set([
  'ELF',
  'VMCOREINFO',
  'CONFIG',
  'MEMSECT',
  'node_data',
  'init_mm_pgd',
  'init_uts_ns_name',
  'runqueues',
]);

/** Bytes of the regions that are of one size in every kernel; `word` is a pointer's. */
export const REGION_SIZES: Readonly<Record<string, number | 'word'>> = {
  _totalram_pages: 'word',
  mem_section: 'word',
  jiffies_64: 8,
  nr_threads: 4,
  nr_irqs: 4,
  total_nr_irqs: 4,
  tainted_mask: 'word',
  nr_swapfiles: 4,
  prb: 'word',
  high_memory: 'word',
  kallsyms_num_syms: 4,
  kallsyms_relative_base: 'word',
  ...Object.fromEntries([...IMAGE, ...KALLSYMS_TABLES, 'swapper_pg_dir'].map(name => [name, 'word'])),
};

/** Regions of a word of what is longer. */
export const FIRST_WORDS: ReadonlySet<string> = new Set([...IMAGE, ...KALLSYMS_TABLES, 'swapper_pg_dir']);
