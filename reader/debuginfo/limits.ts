// Which addresses a kernel's symbols can cover: without KALLSYMS_ALL its table has text only, and an address in data must not be given to the last function.
// Source: kernel/kallsyms.c (is_ksym_addr), include/asm-generic/sections.h (6.x).

export interface SymbolLimits {
  /** [from, to) of addresses that a symbol may cover. */
  readonly spans: readonly (readonly [bigint, bigint])[];
  /** The template of per-CPU variables; equal if unknown. */
  readonly perCpuStart: bigint;
  readonly perCpuEnd: bigint;
}

/** The names that `symbolLimits` asks for. */
export const LIMIT_NAMES: readonly string[] = [
  '__per_cpu_start',
  '__per_cpu_end',
  '_text',
  '_stext',
  '_etext',
  '_sinittext',
  '_einittext',
  '_end',
];

export function symbolLimits(address: (name: string) => bigint | null): SymbolLimits {
  const perCpuStart = address('__per_cpu_start') ?? 0n;
  const perCpuEnd = address('__per_cpu_end') ?? perCpuStart;
  const perCpu = { perCpuStart, perCpuEnd };
  const spans: [bigint, bigint][] = [];
  const add = (from: bigint | null, to: bigint | null) => {
    if (from !== null && to !== null && from < to) spans.push([from, to]);
  };
  const start = address('_text') ?? address('_stext');
  const end = address('_end');
  if (end !== null) {
    add(start, end);
    add(perCpuStart, perCpuEnd);
  } else {
    add(address('_stext'), address('_etext'));
    add(address('_sinittext'), address('_einittext'));
  }
  return { spans: spans.length === 0 ? [[0n, 1n << 64n]] : spans, ...perCpu };
}
