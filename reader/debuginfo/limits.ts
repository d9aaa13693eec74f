// Which addresses a kernel's symbols can cover: without KALLSYMS_ALL its table has text only, and an address in data must not be given to the last function.
// Source: kernel/kallsyms.c (is_ksym_addr), include/asm-generic/sections.h (6.x).

/** [from, to) of addresses that a symbol may cover. */
export type Span = readonly [from: bigint, to: bigint];

/** The names that `perCpuSpan` asks for. */
export const PER_CPU_NAMES: readonly string[] = ['__per_cpu_start', '__per_cpu_end'];

/** The names that `coveredSpans` asks for. */
export const LIMIT_NAMES: readonly string[] = PER_CPU_NAMES.concat([
  '_text',
  '_stext',
  '_etext',
  '_sinittext',
  '_einittext',
  '_end',
]);

type Addresses = (name: string) => bigint | null;

/** Where the template of per-CPU variables is; empty if unknown. */
export function perCpuSpan(address: Addresses): Span {
  const start = address('__per_cpu_start') ?? 0n;
  return [start, address('__per_cpu_end') ?? start];
}

const EVERYWHERE: readonly Span[] = [[0n, 1n << 64n]];

/** @param complete whether every name that the table has was found: what may be there unread leaves no symbol without an end */
export function coveredSpans(address: Addresses, complete = true): readonly Span[] {
  const spans: Span[] = [];
  const add = (from: bigint | null, to: bigint | null) => {
    if (from !== null && to !== null && from < to) spans.push([from, to]);
  };
  const end = address('_end');
  if (end !== null) {
    add(address('_text') ?? address('_stext'), end);
    add(...perCpuSpan(address));
  } else {
    add(address('_stext'), address('_etext'));
    add(address('_sinittext'), address('_einittext'));
  }
  return spans.length === 0 && complete ? EVERYWHERE : spans;
}

export const within = (span: Span, address: bigint): boolean => address >= span[0] && address < span[1];

export interface SymbolLimits {
  readonly perCpu: Span;
  readonly spans: readonly Span[];
}

/** Both, for a source that finds all of LIMIT_NAMES at once. */
export function symbolLimits(address: Addresses): SymbolLimits {
  return { perCpu: perCpuSpan(address), spans: coveredSpans(address) };
}
