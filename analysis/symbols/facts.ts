// Which variables are found where the kernel's symbol table has no data (kernels without KALLSYMS_ALL): whose code names each, or what points at it, and how it is known by its content.
// Source: the functions' files, Linux 6.1 to 7.3.
import { type Check, inImage } from './checks/check.js';
import { cpuIds, perCpuOffsets, possibleMask, runQueues, someCpus, someCpusBut } from './checks/cpus.js';
import { mapleTree, modules, moduleTypes, radixTree, slabCaches, superBlocks } from './checks/lists.js';
import {
  hugeZeroFrame,
  initialMm,
  memorySection,
  nodeCounters,
  nodes,
  purgedAreas,
  swapInfo,
  totalPages,
  vmapRoot,
  zeroPage,
  zoneCounters,
} from './checks/memory.js';
import { initialTask } from './checks/tasks.js';
import { cpuOrNone, crashNotes, jiffies, swapFiles, taint, textPointer, timekeeper } from './checks/values.js';
import type { Finding } from './finding.js';

export interface Fact {
  readonly name: string;
  /** Functions whose code names the variable; no kernel needs to have all of them. */
  readonly code: readonly string[];
  /** What points at it; null for what is found by code. Throws Missing, MemoryFault. */
  readonly pointer: ((finding: Finding) => bigint) | null;
  /** Bytes that the code loads or stores there; 0 for whatever it does. */
  readonly size: number;
  readonly check: Check;
  /** What the check compares, for people. */
  readonly proof: string;
  readonly perCpu: boolean;
}

const inCode = (name: string, check: Check, proof: string, functions: string, size = 0): Fact => ({
  name,
  code: functions.split(' '),
  pointer: null,
  size,
  check,
  proof,
  perCpu: false,
});

/** A variable that a member of another points at. */
const through = (name: string, owner: string, type: string, member: string): Fact => ({
  name,
  code: [],
  pointer: finding => finding.member(type, member, finding.address(owner)),
  size: 0,
  check: inImage,
  proof: `${owner}.${member} points there`,
  perCpu: false,
});

const TASKS =
  'show_state_filter normalize_rt_tasks clear_tasks_mm_cpumask task_will_free_mem mm_update_next_owner current_is_single_threaded';
const MODULES =
  'm_start lookup_module_symbol_name module_kallsyms_lookup_name module_get_kallsym module_kallsyms_on_each_symbol print_modules';
const SWAP = 'swap_type_of count_swap_pages page_swap_info swp_swap_info swap_next';
const SUPER_BLOCKS = 'user_get_super get_active_super get_super iterate_supers sget_fc sget';
const MASK = 'only possible CPUs are in it';
const TREE = 'the topmost node points back at it';

const BY_CODE: readonly Fact[] = [
  inCode('init_task', initialTask, 'it is called swapper and is its own parent', TASKS),
  inCode('modules', modules, 'it is the head of a list of modules', MODULES),
  inCode(
    'slab_caches',
    slabCaches,
    'it is the head of a list of caches',
    'slab_start slab_next slab_show find_mergeable',
  ),
  inCode('super_blocks', superBlocks, 'it is the head of a list of super blocks', SUPER_BLOCKS),
  inCode('btf_modules', moduleTypes, 'it is the head of a list of types of modules', 'btf_module_notify'),
  inCode(
    'init_mm',
    initialMm,
    'its page tables are swapper_pg_dir',
    'finish_cpu vmap_pfn kthread_use_mm __pte_alloc_kernel apply_to_page_range __apply_to_page_range',
  ),
  inCode(
    'vmap_area_root',
    vmapRoot,
    'its root is an area of addresses',
    'find_vmap_area find_vm_area remove_vm_area __vunmap',
  ),
  inCode(
    'purge_vmap_area_list',
    purgedAreas,
    'it is the head of a list of areas that were freed',
    'free_vmap_area_noflush __purge_vmap_area_lazy vm_map_ram',
  ),
  inCode(
    'empty_zero_page',
    zeroPage,
    'it is a page of zeros',
    'iomap_dio_zero fscrypt_zeroout_range __blkdev_issue_zero_pages shmem_file_read_iter',
  ),
  inCode(
    'huge_zero_pfn',
    hugeZeroFrame,
    'it is the frame of a huge page of zeros, or of none',
    'vm_normal_page_pmd change_huge_pmd follow_trans_huge_pmd do_huge_pmd_wp_page',
    8,
  ),
  inCode(
    'mem_section',
    memorySection,
    'it holds what VMCOREINFO says',
    '__nr_to_section online_mem_sections get_pfnblock_flags_mask set_pfnblock_flags_mask',
  ),
  inCode(
    'node_data',
    nodes,
    'node 0 is the first',
    'first_online_pgdat next_online_pgdat inc_zone_page_state sum_zone_node_page_state compact_node',
  ),
  inCode(
    'vm_node_stat',
    nodeCounters,
    'it holds the sums of the nodes',
    'si_mem_available si_meminfo fold_diff node_dirty_ok global_dirty_limits vmstat_start',
  ),
  inCode(
    'vm_zone_stat',
    zoneCounters,
    'it holds the sums of the zones',
    'mod_zone_state __mod_zone_page_state si_mem_available vmstat_refresh si_meminfo',
  ),
  inCode(
    '_totalram_pages',
    totalPages,
    'it is the sum of the zones',
    'si_meminfo sanity_check_segment_list vm_commit_limit mm_compute_batch adjust_managed_page_count',
  ),
  inCode('swap_info', swapInfo, 'it holds swap areas, or none', SWAP),
  inCode('nr_swapfiles', swapFiles, 'it is a small number', 'swap_type_of count_swap_pages si_swapinfo', 4),
  inCode(
    '__cpu_possible_mask',
    possibleMask,
    'its CPUs are numbered without gaps',
    'cpudl_init cpupri_init irq_calc_affinity_vectors bpf_prog_alloc __cpuusage_read',
  ),
  inCode(
    '__cpu_present_mask',
    someCpusBut('__cpu_online_mask'),
    MASK,
    'disable_hotplug_cpu bringup_nonboot_cpus init_cpu_present',
  ),
  inCode('__cpu_online_mask', someCpus, MASK, 'smp_call_function get_idle_time tick_nohz_dep_set_task set_cpu_online'),
  inCode('__cpu_active_mask', someCpus, MASK, 'sched_getaffinity rq_attach_root cpupri_find_fitness migrate_swap_stop'),
  inCode(
    'nr_cpu_ids',
    cpuIds,
    'it is the number of possible CPUs',
    'set_cpus_allowed_common irq_update_affinity_desc ipi_get_hwirq ipi_send_verify',
    4,
  ),
  inCode(
    '__per_cpu_offset',
    perCpuOffsets,
    'each possible CPU has an area of whole pages',
    'idle_task cpuacct_cpuusage_read relay_subbufs_consumed tracing_iter_reset drain_pages_zone per_cpu_ptr_to_phys',
  ),
  {
    ...inCode(
      'runqueues',
      runQueues,
      'each has its CPU and the idle task of it',
      'idle_task single_task_running push_cpu_stop migrate_disable calc_load_nohz_start',
    ),
    perCpu: true,
  },
  inCode('irq_desc_tree', radixTree, TREE, 'irq_to_desc generic_handle_irq __irq_get_desc_lock'),
  // A radix tree up to 6.4 (commit 721255b9826b).
  inCode('sparse_irqs', mapleTree, TREE, 'irq_to_desc generic_handle_irq __irq_get_desc_lock irq_get_next_irq'),
  inCode(
    'jiffies_64',
    jiffies,
    'it counts from five minutes before 2^32',
    '__round_jiffies __round_jiffies_up worker_enter_idle printk_timed_ratelimit',
  ),
  inCode('saved_command_line', textPointer, 'it points at a line of text', 'cmdline_proc_show'),
  inCode('tainted_mask', taint, 'it has no more bits than there are reasons', 'get_taint test_taint add_taint'),
  inCode('panic_cpu', cpuOrNone, 'it is a CPU, or none', 'crash_kexec nmi_panic panic'),
  inCode('crash_notes', crashNotes, 'the notes of the CPUs begin there', 'crash_notes_show crash_save_cpu'),
  inCode(
    'tk_core',
    timekeeper,
    'its clock has a name',
    'ktime_get_coarse_real_ts64 ktime_get_coarse_ts64 getboottime64 ktime_get_real_ts64',
  ),
];

const BY_POINTER: readonly Fact[] = [
  through('init_nsproxy', 'init_task', 'task_struct', 'nsproxy'),
  through('init_cred', 'init_task', 'task_struct', 'real_cred'),
  through('init_fs', 'init_task', 'task_struct', 'fs'),
  through('init_files', 'init_task', 'task_struct', 'files'),
  through('init_signals', 'init_task', 'task_struct', 'signal'),
  through('init_sighand', 'init_task', 'task_struct', 'sighand'),
  through('init_struct_pid', 'init_task', 'task_struct', 'thread_pid'),
  through('init_css_set', 'init_task', 'task_struct', 'cgroups'),
  through('root_task_group', 'init_task', 'task_struct', 'sched_task_group'),
  through('init_pid_ns', 'init_nsproxy', 'nsproxy', 'pid_ns_for_children'),
  through('init_net', 'init_nsproxy', 'nsproxy', 'net_ns'),
  through('init_ipc_ns', 'init_nsproxy', 'nsproxy', 'ipc_ns'),
  through('init_cgroup_ns', 'init_nsproxy', 'nsproxy', 'cgroup_ns'),
  through('init_time_ns', 'init_nsproxy', 'nsproxy', 'time_ns'),
  through('init_user_ns', 'init_cred', 'cred', 'user_ns'),
  through('root_user', 'init_cred', 'cred', 'user'),
];

export const FACTS: readonly Fact[] = [...BY_CODE, ...BY_POINTER];
