// How sure a finding is: whether a running kernel is ever in the state that was found, and whether this one may have been stopped, or copied, in the middle of it.
// Source: what mm/slub.c (6.1 to 7.3), mm/slab.c (6.1), kernel/time and mm change in more than one step.
import type { Kernel } from '../kernel.js';
import { hasArrayCaches, hasSheaves } from '../slab/index.js';
import { placeText } from '../symbols/index.js';
import type { CheckName } from './checks.js';
import { type StoppedCpu, stoppedCpus } from './stopped.js';

/** `certain`: no state of a running kernel explains it; `likely`: a CPU of which it is not known where it was may have been in the middle of it; `possible`: what was being done explains it without damage. */
export type Sureness = 'certain' | 'likely' | 'possible';

export interface Sure {
  readonly sure: Sureness;
  readonly why: string;
}

/** What is so between two steps of the kernel's own code, by code of the findings. */
const IN_BETWEEN: ReadonlySet<string> = new Set([
  'area-count',
  'changing-areas',
  'changing-slab-counters',
  'damaged-area',
  'damaged-hlist',
  'damaged-hrtimers',
  'damaged-list',
  'damaged-maple-tree',
  'damaged-rbtree',
  'damaged-timer-wheel',
  'free-block-not-listed',
  'free-count',
  'free-list-page-in-use',
  'free-page-in-use',
  'freelist-count',
  'freelist-without-slab',
  'frozen-slab-on-partial-list',
  'full-slab-on-partial-list',
  'page-table-unowned',
  'padding-overwritten',
  'partial-slab-on-full-list',
  'red-zone-overwritten',
  'slab-counters',
  'slab-of-no-cache',
  'slab-on-wrong-list',
  'task-not-listed',
  'task-not-numbered',
  'use-after-free',
  'wild-pointer',
]);

/** Functions that change what a check walks; a suffix that the compiler gave (.isra.0) does not count. */
const CHANGES: Readonly<Record<CheckName, RegExp>> = {
  slab: /^(_*slab_alloc|_*slab_free|_*kmem_cache_(alloc|free|shrink|do_shrink)|_*kmalloc|_*kfree|_*kvfree|deactivate_slab|get_(any_)?partial|get_from_(any_)?partial|put_cpu_partial|_*unfreeze_partials|_*put_partials|new_slab|allocate_slab|discard_slab|_*free_slab|free_to_partial_list|(free|alloc)_debug_processing|alloc_single_from|init_object|setup_object|set_track|flush_(all_)?cpu|_*flush_cpu_slab|refill_|_*pcs_|rcu_free_sheaf|sheaf_|barn_|memcg_slab|_*memcg_slab|cache_(alloc|free|flusharray|grow|reap)|_+cache_(alloc|free)|free_block|drain_(array|alien|freelist)|do_drain|transfer_objects|fixup_slab_list|slabs?_destroy)/,
  timers:
    /^(_*mod_timer|add_timer|_*timer_delete|del_timer|detach_timer|_*run_timers|run_timer|expire_timers|call_timer_fn|enqueue_timer|trigger_dyntick|_*hrtimer_|hrtimer_|_*remove_hrtimer|enqueue_hrtimer|timerqueue_)/,
  tasks: /^(copy_process|release_task|_*exit_signal|_*unhash_process|attach_pid|detach_pid|_*change_pid|de_thread)/,
  frames:
    /^(_*rmqueue|_*alloc_pages|_*alloc_frozen_pages|_*free_pages|_*free_one_page|free_one_page|free_pcppages|free_unref|_*free_unref|free_frozen|_*free_frozen|del_page_from_free_list|_*add_to_free_list|move_freepages|steal_suitable|post_alloc|prep_|get_page_from_freelist|drain_|split_|isolate_|compact_|release_pages|folios_put|_*folio_put|_*page_frag)/,
  areas:
    /^(mmap_region|_*mmap_region|do_(vmi_)?(align_)?munmap|_*split_vma|vma_(merge|expand|shrink|link|prepare|complete|iter)|_*vma_adjust|dup_mm|dup_mmap|exit_mmap|expand_(stack|downwards|upwards)|mprotect_fixup|move_vma|copy_vma|do_brk|mas_|mtree_|unlink_file_vma|remove_vma)/,
  tables:
    /^(zap_|unmap_|exit_mmap|free_pg|tlb_|_*tlb_|copy_(page_range|p4d|pud|pmd|pte)|dup_mm|_*handle_mm_fault|handle_pte_fault|do_(anonymous|wp|fault|swap|numa|huge)|_*do_fault|wp_page|finish_fault|set_pte|filemap_map_pages|move_page_tables|migrate_|try_to_(unmap|migrate)|collapse_|_*split_huge|release_pages|folios_put)/,
  modules: /^(load_module|free_module|do_init_module|_*do_sys_delete_module)/,
};

export class Judge {
  readonly #kernel: Kernel;
  #stopped: readonly StoppedCpu[] | null = null;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  of(check: CheckName, code: string): Sure {
    if (!this.#kernel.physical.stable) {
      return { sure: 'possible', why: 'the memory is that of a running system: it may have changed while it was read' };
    }
    this.#stopped ??= stoppedCpus(this.#kernel);
    if (this.#stopped.every(({ calls }) => calls === null)) {
      const why = 'nothing says where the CPUs were: the kernel may have run while its memory was saved';
      return { sure: this.#isInBetween(code) ? 'possible' : 'likely', why };
    }
    if (!this.#isInBetween(code)) return { sure: 'certain', why: 'the kernel never leaves it so, not for a moment' };
    return this.#inBetween(check, code, this.#stopped);
  }

  /** A sheaf that is emptied has its objects until all are on their slabs' freelists (sheaf_flush_unused), and so has an array_cache (free_block). */
  #isInBetween(code: string): boolean {
    return (
      IN_BETWEEN.has(code) || (code === 'double-free' && (hasSheaves(this.#kernel) || hasArrayCaches(this.#kernel)))
    );
  }

  #inBetween(check: CheckName, code: string, stopped: readonly StoppedCpu[]): Sure {
    for (const { cpu, calls } of stopped) {
      const call = calls?.find(({ symbol }) => symbol !== null && CHANGES[check].test(symbol));
      if (call === undefined) continue;
      const who = cpu === null ? 'a CPU' : `CPU ${cpu}`;
      return {
        sure: 'possible',
        why: `${who} was stopped in ${placeText(call)}, which is so between two of its steps`,
      };
    }
    if (code.startsWith('changing-')) return { sure: 'possible', why: 'the lock that guards it is held' };
    const unknown = stopped.filter(({ calls }) => calls === null).map(({ cpu }) => cpu ?? '?');
    if (unknown.length > 0) {
      return { sure: 'likely', why: `where CPU ${unknown.join(', ')} was is not known: it may have been changing it` };
    }
    return { sure: 'certain', why: 'no CPU was stopped in code that changes it' };
  }
}
