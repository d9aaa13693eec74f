// Counters of x86 and ppc64 as /proc/interrupts names them, in its order. Source: arch/x86/kernel/irq.c, arch/x86/include/asm/irq_vectors.h (5.4 to 7.3), arch/powerpc/kernel/irq.c (6.1).

export interface CounterFact {
  readonly label: string;
  readonly text: string | null;
  /** A member of the per-CPU irq_stat, a per-CPU variable, or a variable that is not counted by CPU. */
  readonly where: 'member' | 'percpu' | 'global';
  readonly name: string;
  /** Shown where this bit of system_vectors is set. */
  readonly vector?: number;
  /** Shown where this pointer is not NULL. */
  readonly pointer?: string;
}

const member = (label: string, name: string, text: string): CounterFact => ({ label, text, where: 'member', name });

/** Up to 6.12 at least. Which of them a kernel has depends on how it was built. */
export const X86_COUNTERS: readonly CounterFact[] = [
  member('NMI', '__nmi_count', 'Non-maskable interrupts'),
  member('LOC', 'apic_timer_irqs', 'Local timer interrupts'),
  member('SPU', 'irq_spurious_count', 'Spurious interrupts'),
  member('PMI', 'apic_perf_irqs', 'Performance monitoring interrupts'),
  member('IWI', 'apic_irq_work_irqs', 'IRQ work interrupts'),
  member('RTR', 'icr_read_retry_count', 'APIC ICR read retries'),
  { ...member('PLT', 'x86_platform_ipis', 'Platform interrupts'), pointer: 'x86_platform_ipi_callback' },
  member('RES', 'irq_resched_count', 'Rescheduling interrupts'),
  member('CAL', 'irq_call_count', 'Function call interrupts'),
  member('TLB', 'irq_tlb_count', 'TLB shootdowns'),
  member('TRM', 'irq_thermal_count', 'Thermal event interrupts'),
  member('THR', 'irq_threshold_count', 'Threshold APIC interrupts'),
  member('DFR', 'irq_deferred_error_count', 'Deferred Error APIC interrupts'),
  { label: 'MCE', text: 'Machine check exceptions', where: 'percpu', name: 'mce_exception_count' },
  { label: 'MCP', text: 'Machine check polls', where: 'percpu', name: 'mce_poll_count' },
  { ...member('HYP', 'irq_hv_callback_count', 'Hypervisor callback interrupts'), vector: 0xf3 },
  { ...member('HRE', 'irq_hv_reenlightenment_count', 'Hyper-V reenlightenment interrupts'), vector: 0xee },
  { ...member('HVS', 'hyperv_stimer0_count', 'Hyper-V stimer0 interrupts'), vector: 0xed },
  { label: 'ERR', text: null, where: 'global', name: 'irq_err_count' },
  { label: 'MIS', text: null, where: 'global', name: 'irq_mis_count' },
  member('PIN', 'kvm_posted_intr_ipis', 'Posted-interrupt notification event'),
  member('NPI', 'kvm_posted_intr_nested_ipis', 'Nested posted-interrupt event'),
  member('PIW', 'kvm_posted_intr_wakeup_ipis', 'Posted-interrupt wakeup event'),
  member('PMN', 'posted_msi_notification_count', 'Posted MSI notification event'),
];

/** Names of enum irq_stat_counts without IRQ_COUNT_, which 7.3 counts by. */
export const X86_NAMES: Readonly<Partial<Record<string, readonly [label: string, text: string]>>> = {
  NMI: ['NMI', 'Non-maskable interrupts'],
  APIC_TIMER: ['LOC', 'Local timer interrupts'],
  SPURIOUS: ['SPU', 'Spurious interrupts'],
  APIC_PERF: ['PMI', 'Performance monitoring interrupts'],
  IRQ_WORK: ['IWI', 'IRQ work interrupts'],
  ICR_READ_RETRY: ['RTR', 'APIC ICR read retries'],
  X86_PLATFORM_IPI: ['PLT', 'Platform interrupts'],
  RESCHEDULE: ['RES', 'Rescheduling interrupts'],
  CALL_FUNCTION: ['CAL', 'Function call interrupts'],
  TLB: ['TLB', 'TLB shootdowns'],
  THERMAL_APIC: ['TRM', 'Thermal event interrupts'],
  THRESHOLD_APIC: ['THR', 'Threshold APIC interrupts'],
  DEFERRED_ERROR: ['DFR', 'Deferred Error APIC interrupts'],
  MCE_EXCEPTION: ['MCE', 'Machine check exceptions'],
  MCE_POLL: ['MCP', 'Machine check polls'],
  HYPERVISOR_CALLBACK: ['HYP', 'Hypervisor callback interrupts'],
  HYPERV_REENLIGHTENMENT: ['HRE', 'Hyper-V reenlightenment interrupts'],
  HYPERV_STIMER0: ['HVS', 'Hyper-V stimer0 interrupts'],
  POSTED_INTR: ['PIN', 'Posted-interrupt notification event'],
  POSTED_INTR_NESTED: ['NPI', 'Nested posted-interrupt event'],
  POSTED_INTR_WAKEUP: ['PIW', 'Posted-interrupt wakeup event'],
  PERF_GUEST_MEDIATED_PMI: ['VPMI', 'Perf Guest Mediated PMI'],
  POSTED_MSI_NOTIFICATION: ['PMN', 'Posted MSI notification event'],
  PIC_APIC_ERROR: ['ERR', 'PIC/APIC error interrupts'],
  IOAPIC_MISROUTED: ['MIS', 'Misrouted IO/APIC interrupts'],
};

export const PPC64_COUNTERS: readonly CounterFact[] = [
  member('LOC', 'timer_irqs_event', 'Local timer interrupts for timer event device'),
  member('BCT', 'broadcast_irqs_event', 'Broadcast timer interrupts for timer event device'),
  member('LOC', 'timer_irqs_others', 'Local timer interrupts for others'),
  member('SPU', 'spurious_irqs', 'Spurious interrupts'),
  member('PMI', 'pmu_irqs', 'Performance monitoring interrupts'),
  member('MCE', 'mce_exceptions', 'Machine check exceptions'),
  member('NMI', 'sreset_irqs', 'System Reset interrupts'),
  member('WDG', 'soft_nmi_irqs', 'Watchdog soft-NMI interrupts'),
  member('DBL', 'doorbell_irqs', 'Doorbell interrupts'),
];
