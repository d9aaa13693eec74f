// What types the kernel's global variables have, for kernels whose types tell functions, structs and per-CPU variables only (BTF).
// Source: the definitions in the files named beside each, Linux 6.1 to 7.3; the tests compare all of them with the DWARF of real kernels.

export interface GlobalType {
  /** As in a C cast; a length is a number or an enumerator, `[]` where it is the configuration's. */
  readonly type: string;
  /** The first release that has it so, of changes that came after 5.4: '6.13'. Null: since then or longer. */
  readonly since: string | null;
  /** `struct NAME` or `struct NAME.member` that came with it, where the type's own words do not tell it from the older one. */
  readonly when: string | null;
}

export interface GlobalFact {
  readonly name: string;
  /** Where it is defined. */
  readonly file: string;
  /** The newest first; the one that a kernel has is the first whose words it knows and whose `when` it has. */
  readonly types: readonly GlobalType[];
}

const since = (release: string, type: string, when: string | null = null): GlobalType => ({
  type,
  since: release,
  when,
});

/** A type that only kernels with a struct have, for instance those of one architecture. */
const where = (when: string, type: string): GlobalType => ({ type, since: null, when });

const fact = (file: string, name: string, ...types: (string | GlobalType)[]): GlobalFact => ({
  name,
  file,
  types: types.map(type => (typeof type === 'string' ? { type, since: null, when: null } : type)),
});

const facts = (file: string, type: string, ...names: string[]): GlobalFact[] =>
  names.map(name => fact(file, name, type));

const LIST = 'struct list_head';
const WORD = 'unsigned long';

export const GLOBALS: readonly GlobalFact[] = [
  // Tasks and what they start with.
  fact('init/init_task.c', 'init_task', 'struct task_struct'),
  fact('init/init_task.c', 'init_signals', 'struct signal_struct'),
  fact('init/init_task.c', 'init_sighand', 'struct sighand_struct'),
  fact('kernel/cred.c', 'init_cred', 'struct cred'),
  fact('fs/file.c', 'init_files', 'struct files_struct'),
  fact('fs/fs_struct.c', 'init_fs', 'struct fs_struct'),
  fact('mm/init-mm.c', 'init_mm', 'struct mm_struct'),
  fact('kernel/nsproxy.c', 'init_nsproxy', 'struct nsproxy'),
  fact('kernel/pid.c', 'init_pid_ns', 'struct pid_namespace'),
  // In struct pid_namespace since 6.14.
  fact('kernel/pid.c', 'pid_max', 'int'),
  fact('init/version.c', 'init_uts_ns', 'struct uts_namespace'),
  fact('kernel/user.c', 'init_user_ns', 'struct user_namespace'),
  fact('ipc/msgutil.c', 'init_ipc_ns', 'struct ipc_namespace'),
  fact('kernel/cgroup/cgroup.c', 'init_cgroup_ns', 'struct cgroup_namespace'),
  fact('kernel/cgroup/cgroup.c', 'init_css_set', 'struct css_set'),
  fact('kernel/cgroup/cgroup.c', 'cgrp_dfl_root', 'struct cgroup_root'),
  fact('kernel/cgroup/cgroup.c', 'cgroup_roots', LIST),
  fact('net/core/net_namespace.c', 'init_net', 'struct net'),
  fact('net/core/net_namespace.c', 'net_namespace_list', LIST),

  // CPUs and the scheduler.
  ...facts(
    'kernel/cpu.c',
    'struct cpumask',
    '__cpu_possible_mask',
    '__cpu_present_mask',
    '__cpu_online_mask',
    '__cpu_active_mask',
  ),
  fact('kernel/smp.c', 'nr_cpu_ids', 'unsigned int'),
  fact('mm/percpu.c', '__per_cpu_offset', 'unsigned long []'),
  fact('kernel/sched/core.c', 'runqueues', 'struct rq'),
  fact('kernel/sched/core.c', 'root_task_group', 'struct task_group'),
  fact('kernel/sched/core.c', 'task_groups', LIST),
  fact('kernel/workqueue.c', 'workqueues', LIST),
  fact('kernel/workqueue.c', 'worker_pool_idr', 'struct idr'),
  fact('kernel/workqueue.c', 'cpu_worker_pools', 'struct worker_pool []'),
  fact('kernel/rcu/tree.c', 'rcu_state', 'struct rcu_state'),

  // Memory: the map of pages, nodes, counters.
  // An array of structs, not of pointers, without SPARSEMEM_EXTREME.
  fact('mm/sparse.c', 'mem_section', 'struct mem_section **'),
  fact('mm/memory.c', 'mem_map', 'struct page *'),
  fact('mm/memory.c', 'max_mapnr', WORD),
  fact('mm/mm_init.c', 'contig_page_data', 'struct pglist_data'),
  fact('mm/numa.c', 'node_data', 'struct pglist_data *[]'),
  fact('mm/page_alloc.c', 'node_states', 'nodemask_t [NR_NODE_STATES]'),
  fact('mm/page_alloc.c', 'nr_node_ids', 'unsigned int'),
  ...facts('mm/memblock.c', WORD, 'max_pfn', 'max_low_pfn', 'min_low_pfn'),
  fact('mm/memblock.c', 'memblock', 'struct memblock'),
  ...facts('mm/page_alloc.c', WORD, 'totalreserve_pages', 'totalcma_pages'),
  fact('mm/page_alloc.c', '_totalram_pages', 'atomic_long_t'),
  fact('mm/vmstat.c', 'vm_zone_stat', 'atomic_long_t [NR_VM_ZONE_STAT_ITEMS]'),
  fact('mm/vmstat.c', 'vm_node_stat', 'atomic_long_t [NR_VM_NODE_STAT_ITEMS]'),
  fact('mm/vmstat.c', 'vm_numa_event', since('5.14', 'atomic_long_t [NR_VM_NUMA_EVENT_ITEMS]')),
  fact('mm/vmstat.c', 'vm_event_states', 'struct vm_event_state'),
  fact('mm/hugetlb.c', 'hstates', 'struct hstate []'),
  fact('mm/hugetlb.c', 'hugetlb_max_hstate', 'int'),
  fact('mm/util.c', 'sysctl_overcommit_ratio', 'int'),
  fact('mm/util.c', 'sysctl_overcommit_kbytes', WORD),
  fact('mm/util.c', 'vm_committed_as', 'struct percpu_counter'),
  fact('mm/huge_memory.c', 'huge_zero_page', 'struct page *'),
  fact('mm/huge_memory.c', 'huge_zero_folio', since('6.10', 'struct folio *')),
  fact('mm/huge_memory.c', 'huge_zero_pfn', since('5.9', WORD)),
  ...facts('arch/x86/mm/kaslr.c', WORD, 'page_offset_base', 'vmalloc_base'),
  fact('arch/x86/kernel/head64.c', 'phys_base', WORD),
  fact('arch/x86/kernel/head_64.S', 'init_top_pgt', 'pgd_t []'),
  fact('arch/arm64/kernel/vmlinux.lds.S', 'swapper_pg_dir', 'pgd_t []'),
  fact('arch/arm64/mm/init.c', 'memstart_addr', 's64'),
  fact('arch/arm64/mm/mmu.c', 'kimage_voffset', 'u64'),

  // Slab.
  fact('mm/slab_common.c', 'slab_caches', LIST),
  fact('mm/slab_common.c', 'slab_state', 'enum slab_state'),
  fact('mm/slab_common.c', 'kmem_cache', 'struct kmem_cache *'),
  fact('mm/slub.c', 'kmem_cache_node', 'struct kmem_cache *'),
  fact('mm/slub.c', 'slab_nodes', since('5.12', 'nodemask_t')),
  fact('mm/slub.c', 'slub_debug', 'slab_flags_t'),

  // vmalloc: one list and tree until 6.8, then one for each node.
  fact('mm/vmalloc.c', 'vmap_area_list', LIST),
  fact('mm/vmalloc.c', 'vmap_area_root', 'struct rb_root'),
  fact('mm/vmalloc.c', 'free_vmap_area_list', LIST),
  fact('mm/vmalloc.c', 'vmap_nodes', since('6.9', 'struct vmap_node *')),
  fact('mm/vmalloc.c', 'nr_vmap_nodes', since('6.9', 'unsigned int')),
  fact('mm/vmalloc.c', 'vmap_zone_size', since('6.9', 'unsigned int')),

  // Swap.
  fact('mm/swapfile.c', 'swap_info', 'struct swap_info_struct *[]'),
  fact('mm/swapfile.c', 'nr_swapfiles', 'unsigned int'),
  fact('mm/swapfile.c', 'swap_active_head', 'struct plist_head'),
  fact('mm/swapfile.c', 'total_swap_pages', 'long'),
  fact('mm/swapfile.c', 'nr_swap_pages', 'atomic_long_t'),

  // Interrupts: with SPARSE_IRQ a tree, a radix tree until 6.4.
  fact('kernel/irq/irqdesc.c', 'sparse_irqs', since('6.5', 'struct maple_tree')),
  fact('kernel/irq/irqdesc.c', 'irq_desc_tree', 'struct xarray'),
  fact('kernel/irq/irqdesc.c', 'irq_desc', 'struct irq_desc []'),
  fact('kernel/irq/irqdesc.c', 'nr_irqs', 'int'),
  fact('kernel/irq/irqdesc.c', 'total_nr_irqs', since('6.13', 'unsigned int')),
  fact('arch/*/kernel/irq.c', 'irq_err_count', where('struct cpuinfo_x86', 'atomic_t'), WORD),
  fact('arch/arm64/kernel/smp.c', 'ipi_desc', 'struct irq_desc *[]'),
  fact('arch/arm64/kernel/smp.c', 'ipi_types', 'const char *[]'),
  fact('kernel/softirq.c', 'softirq_vec', 'struct softirq_action [NR_SOFTIRQS]'),
  fact('kernel/sched/core.c', 'kstat', 'struct kernel_stat'),

  // Time.
  fact('kernel/time/timer.c', 'jiffies_64', 'u64'),
  fact('arch/*/kernel/vmlinux.lds.S', 'jiffies', WORD),
  fact('kernel/time/timer.c', 'timer_bases', 'struct timer_base []'),
  fact('kernel/time/hrtimer.c', 'hrtimer_bases', 'struct hrtimer_cpu_base'),
  // Until 6.12 a struct without a name.
  fact('kernel/time/timekeeping.c', 'tk_core', since('6.13', 'struct tk_data')),
  fact('kernel/time/timekeeping.c', 'timekeeper_data', since('6.17', 'struct tk_data []')),
  fact('kernel/time/tick-common.c', 'tick_cpu_device', 'struct tick_device'),
  fact('kernel/time/clockevents.c', 'clockevent_devices', LIST),
  fact('kernel/time/clocksource.c', 'clocksource_list', LIST),
  fact('kernel/time/clocksource.c', 'curr_clocksource', 'struct clocksource *'),

  // The log, and how the kernel died.
  fact('kernel/printk/printk.c', 'prb', since('5.10', 'struct printk_ringbuffer *')),
  ...facts('kernel/printk/printk.c', 'struct printk_ringbuffer', 'printk_rb_static', 'printk_rb_dynamic'),
  fact('kernel/printk/printk.c', 'log_buf', 'char *'),
  fact('kernel/printk/printk.c', 'log_buf_len', 'u32'),
  fact('kernel/printk/printk.c', 'clear_seq', since('5.13', 'struct latched_seq')),
  fact('kernel/printk/printk.c', 'console_list', since('6.2', 'struct hlist_head')),
  fact('kernel/printk/printk.c', 'console_drivers', 'struct console *'),
  fact('kernel/panic.c', 'panic_cpu', 'atomic_t'),
  fact('arch/x86/kernel/reboot.c', 'crashing_cpu', 'int'),
  ...facts('kernel/panic.c', 'int', 'panic_on_oops', 'panic_timeout'),
  fact('kernel/panic.c', 'tainted_mask', WORD),
  fact('kernel/printk/printk.c', 'oops_in_progress', 'int'),
  fact('init/main.c', 'saved_command_line', 'char *'),
  fact('init/main.c', 'boot_command_line', 'char []'),
  fact('init/version.c', 'linux_banner', 'const char []'),
  fact('kernel/crash_core.c', 'vmcoreinfo_data', 'unsigned char *'),
  fact('kernel/crash_core.c', 'vmcoreinfo_size', 'size_t'),
  fact('kernel/crash_core.c', 'crashk_res', 'struct resource'),
  fact('kernel/kexec_core.c', 'crash_notes', 'note_buf_t *'),

  // Modules.
  fact('kernel/module/main.c', 'modules', LIST),
  fact('kernel/module/main.c', 'mod_tree', 'struct mod_tree_root'),

  // Files.
  fact('fs/super.c', 'super_blocks', LIST),
  // Since which release the list is an hlist is not known: 7.3 has it, 6.1 has not.
  fact(
    'fs/filesystems.c',
    'file_systems',
    since('7.3', 'struct hlist_head', 'struct file_system_type.list'),
    'struct file_system_type *',
  ),
  ...facts('fs/namespace.c', 'struct hlist_head *', 'mount_hashtable', 'mountpoint_hashtable'),
  ...facts('fs/namespace.c', 'unsigned int', 'm_hash_shift', 'mp_hash_shift'),
  fact('fs/mnt_idmapping.c', 'nop_mnt_idmap', since('6.2', 'struct mnt_idmap')),
  fact('fs/dcache.c', 'dentry_hashtable', 'struct hlist_bl_head *'),
  fact('fs/dcache.c', 'd_hash_shift', 'unsigned int'),
  fact('fs/inode.c', 'inode_hashtable', 'struct hlist_head *'),
  fact('fs/inode.c', 'i_hash_shift', 'unsigned int'),
  fact('block/bdev.c', 'blockdev_superblock', 'struct super_block *'),
  fact('mm/shmem.c', 'shm_mnt', 'struct vfsmount *'),

  // Devices and resources.
  fact('block/genhd.c', 'block_class', 'struct class'),
  fact('block/genhd.c', 'major_names', 'struct blk_major_name *[]'),
  fact('fs/char_dev.c', 'chrdevs', 'struct char_device_struct *[]'),
  fact('fs/char_dev.c', 'cdev_map', 'struct kobj_map *'),
  fact('drivers/char/misc.c', 'misc_list', LIST),
  fact('drivers/base/class.c', 'class_kset', 'struct kset *'),
  fact('drivers/base/bus.c', 'bus_kset', 'struct kset *'),
  fact('drivers/base/core.c', 'devices_kset', 'struct kset *'),
  fact('drivers/pci/probe.c', 'pci_root_buses', LIST),
  ...facts('kernel/resource.c', 'struct resource', 'iomem_resource', 'ioport_resource'),

  // Tracing and BPF.
  fact('kernel/trace/trace.c', 'ftrace_trace_arrays', LIST),
  fact('kernel/trace/trace.c', 'global_trace', 'struct trace_array'),
  fact('kernel/trace/trace_events.c', 'ftrace_events', LIST),
  fact('kernel/trace/trace_sched_switch.c', 'savedcmd', 'struct saved_cmdlines_buffer *'),
  ...facts('kernel/bpf/syscall.c', 'struct idr', 'prog_idr', 'map_idr', 'link_idr'),
  fact('kernel/bpf/btf.c', 'btf_idr', 'struct idr'),
  fact('kernel/bpf/btf.c', 'btf_modules', since('5.11', LIST)),
  fact('security/keys/key.c', 'key_serial_tree', 'struct rb_root'),
  fact('crypto/api.c', 'crypto_alg_list', LIST),
];
