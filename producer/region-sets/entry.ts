// What a series registers, as data: each entry says which thing, under which ID, and how large it is. The resolver finds it in a kernel.

/** How the size of a registration is known. */
export type EntrySize =
  /** sizeof(the symbol), which is of type `type` (in VMCOREINFO's words) where that is known. */
  | { readonly of: 'symbol'; readonly type?: string }
  /** A C type of the same size in all kernels. */
  | { readonly of: 'bytes'; readonly bytes: number }
  /** sizeof(void *) or of an unsigned long. */
  | { readonly of: 'word' }
  /** strlen(the symbol), plus the NUL where sizeof is meant. */
  | { readonly of: 'string'; readonly nul: boolean }
  /** A part of the static printk ring, by its own fields. */
  | { readonly of: 'ring'; readonly part: 'descs' | 'infos' | 'data' }
  /** mem_section: a pointer with SPARSEMEM_EXTREME, else the array. */
  | { readonly of: 'mem_section' };

export type Entry =
  /** The symbol itself. Of several names the first that the kernel has: the variable was renamed. */
  | {
      readonly what: 'symbol';
      readonly id: string;
      readonly symbols: readonly string[];
      readonly size: EntrySize;
    }
  /** vmcoreinfo_data with vmcoreinfo_size. */
  | { readonly what: 'vmcoreinfo'; readonly id: string }
  /** kernel_config_data with its markers, or as much as `bytes` from the first marker on. */
  | { readonly what: 'config'; readonly id: string; readonly bytes?: number }
  /** A member of a variable. */
  | {
      readonly what: 'member';
      readonly id: string;
      readonly symbol: string;
      readonly type: string;
      readonly member: string;
      readonly size: EntrySize;
    }
  /** The array of section roots that mem_section points to (SPARSEMEM_EXTREME); `id` null: a dynamic one. */
  | { readonly what: 'section-roots'; readonly id: string | null }
  /** *mem_section, which RFC v1 takes for that array: the first root, NR_SECTION_ROOTS times the size of a section. */
  | { readonly what: 'first-section-root'; readonly id: string }
  /** Each section root. */
  | { readonly what: 'section-root' }
  /** node_data as RFC v2 and v3 register it: MAX_NUMNODES times the size of a pglist_data, though it is an array of pointers. */
  | { readonly what: 'node-data'; readonly id: string }
  /** Each node's pglist_data. */
  | { readonly what: 'node' }
  /** A per-CPU variable, once for each possible CPU. */
  | { readonly what: 'per-cpu'; readonly symbol: string; readonly type: string }
  /** The log buffer in use: what prb points to. */
  | { readonly what: 'log-buffer'; readonly id: string }
  /** struct printk_ringbuffer that prb points to. */
  | { readonly what: 'ring'; readonly id: string }
  /** new_log_buf, new_descs, new_infos: only where setup_log_buf() made a larger ring. `ids` null: dynamic ones. */
  | { readonly what: 'dynamic-ring'; readonly ids: readonly [data: string, descs: string, infos: string] | null }
  /** Something that cannot be found without more than symbols and sizes. */
  | { readonly what: 'unknown'; readonly name: string; readonly why: string };

export interface RegionSet {
  /** Calls at run time before late_initcall, in the order of the boot. */
  readonly early: readonly Entry[];
  /** Annotations of the build, in ID order. */
  readonly annotations: readonly Entry[];
  /** What is registered when the back-end comes (RFC v1's register_coreinfo). */
  readonly withBackend: readonly Entry[];
}

export const WORD: EntrySize = { of: 'word' };
export const SIZEOF: EntrySize = { of: 'symbol' };
export const INT: EntrySize = { of: 'bytes', bytes: 4 };

export const symbol = (id: string, size: EntrySize = SIZEOF, ...symbols: string[]): Entry => ({
  what: 'symbol',
  id,
  symbols: symbols.length > 0 ? symbols : [id],
  size,
});

/** cpumasks in ID order. */
export const CPU_MASKS: readonly Entry[] = [
  symbol('__cpu_possible_mask'),
  symbol('__cpu_present_mask'),
  symbol('__cpu_online_mask'),
  symbol('__cpu_active_mask'),
];

const RING_STRUCTURE: EntrySize = { of: 'symbol', type: 'printk_ringbuffer' };

/** The static printk ring in ID order. */
export const STATIC_RING: readonly Entry[] = [
  symbol('printk_rb_static', RING_STRUCTURE),
  symbol('printk_rb_dynamic', RING_STRUCTURE),
  symbol('prb', WORD),
  symbol('prb_descs', { of: 'ring', part: 'descs' }, '_printk_rb_static_descs'),
  symbol('prb_infos', { of: 'ring', part: 'infos' }, '_printk_rb_static_infos'),
  symbol('prb_data', { of: 'ring', part: 'data' }, '__log_buf'),
];

/** Borders of the image: only the addresses matter, so one word each. */
export const IMAGE: readonly Entry[] = ['_sinittext', '_einittext', '_end', '_text', '_stext', '_etext'].map(name =>
  symbol(name, WORD),
);

/** The kallsyms tables, one word each: their addresses, not their contents. */
export const KALLSYMS_TABLES: readonly Entry[] = [
  'kallsyms_offsets',
  'kallsyms_names',
  'kallsyms_token_table',
  'kallsyms_token_index',
  'kallsyms_markers',
  'kallsyms_seqs_of_names',
].map(name => symbol(name, WORD));

export const BANNER = symbol('linux_banner', { of: 'string', nul: true });
export const MEM_SECTION = symbol('mem_section', { of: 'mem_section' });
export const KALLSYMS_NUM = symbol('kallsyms_num_syms', INT);
export const KALLSYMS_BASE = symbol('kallsyms_relative_base', WORD);
export const TOTALRAM = symbol('_totalram_pages', WORD);
export const JIFFIES = symbol('jiffies_64', { of: 'bytes', bytes: 8 });
export const TAINT: readonly Entry[] = [symbol('tainted_mask', WORD), symbol('taint_flags')];
