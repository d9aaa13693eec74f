// What kmemdump RFC v1 registers, by handle: register_coreinfo() and what it calls in printk, genirq, panic and sched. Source: drivers/debug/kmemdump_coreimage.c
// and the patches to kernel/{printk/printk,irq/irqdesc,panic,sched/core}.c of the posting of 2025-04-22.
import { INT, JIFFIES, type RegionSet, SIZEOF, symbol, TAINT, TOTALRAM, WORD } from './entry.js';

const named = (handle: string, entry: (typeof TAINT)[number]) =>
  entry.what === 'symbol' ? { ...entry, id: handle } : entry;

export const KMEMDUMP_RFC1: RegionSet = {
  early: [],
  annotations: [],
  withBackend: [
    // 128 KiB from the marker on: tools do not care how long the configuration is.
    { what: 'config', id: 'config', bytes: 128 * 1024 },
    symbol('utsn', SIZEOF, 'init_uts_ns'),
    symbol('banner', { of: 'string', nul: false }, 'linux_banner'),
    symbol('percpu', SIZEOF, '__per_cpu_offset'),
    symbol('init_mm', SIZEOF, 'init_mm'),
    // What init_mm.pgd points to, and of it one entry.
    symbol('mmpgd', WORD, 'swapper_pg_dir'),
    symbol('highmem', WORD, 'high_memory'),
    { what: 'first-section-root', id: 'memsect' },
    symbol('memsect', WORD, 'mem_section'),
    named('totalram', TOTALRAM),
    symbol('node_states', SIZEOF, 'node_states'),
    symbol('nr_threads', INT, 'nr_threads'),
    symbol('cpu_po', SIZEOF, '__cpu_possible_mask'),
    symbol('cpu_pr', SIZEOF, '__cpu_present_mask'),
    symbol('cpu_on', SIZEOF, '__cpu_online_mask'),
    named('jiffies', JIFFIES),
    { what: 'log-buffer', id: 'log_buf' },
    symbol('prb', WORD, 'prb'),
    { what: 'ring', id: 'prb' },
    // The static ones, whichever ring is in use.
    symbol('prb_descs', { of: 'ring', part: 'descs' }, '_printk_rb_static_descs'),
    symbol('prb_infos', { of: 'ring', part: 'infos' }, '_printk_rb_static_infos'),
    symbol('irq', INT, 'nr_irqs', 'total_nr_irqs'),
    named('taint', TAINT[0]),
    named('taintflags', TAINT[1]),
    // The template in the image, not the CPUs' own.
    symbol('runqueues', SIZEOF, 'runqueues'),
  ],
};
