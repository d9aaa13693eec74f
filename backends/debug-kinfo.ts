// Google's debug_kinfo area: where a kernel's symbol tables lie, for boot firmware. Written as a file of its own, as the reserved memory would hold it. Source: kernel/meminspect/kinfo.c
// (meminspect v1 to v3), drivers/android/debug_kinfo.c. What only the kernel's build knows and no dump tells (enabled_all, enabled_cfi_clang, enabled_modules_tree_lookup,
// build_info) is 0.
import type { Refusal, Region, TargetKernel } from 'kdumpling/producer';
import { type FolderSink, type Issues, MemoryFault } from 'kdumpling/reader';
import { encodeKinfo, type KinfoLayout, type KinfoValues } from 'kdumpling/reader/formats/debug-kinfo';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import type { Backend, WrittenFile } from './backend.js';

/** The registered thing whose physical address each field holds. */
const ADDRESS_FIELDS: Readonly<Record<string, string>> = {
  _text: '_text_pa',
  _stext: '_stext_pa',
  _etext: '_etext_pa',
  _sinittext: '_sinittext_pa',
  _einittext: '_einittext_pa',
  _end: '_end_pa',
  kallsyms_addresses: '_addresses_pa',
  kallsyms_offsets: '_offsets_pa',
  kallsyms_names: '_names_pa',
  kallsyms_token_table: '_token_table_pa',
  kallsyms_token_index: '_token_index_pa',
  kallsyms_markers: '_markers_pa',
  kallsyms_seqs_of_names: '_seqs_of_names_pa',
  swapper_pg_dir: '_swapper_pg_dir_pa',
};

/** The layout whose driver lost the registration that fills _relative_pa. */
const WITHOUT_RELATIVE_BASE = 216;
/** Layouts that a driver of the registry fills; Android's own module takes the symbols themselves. */
const FROM_REGISTRY: ReadonlySet<number> = new Set([216, 472]);
const NUM_SYMS = 'kallsyms_num_syms';
const RELATIVE_BASE = 'kallsyms_relative_base';
/** BUILD_ID_SIZE_MAX. */
const BUILD_ID_SIZE = 20;

class DebugKinfo implements Backend {
  readonly name = 'debug-kinfo';
  readonly #layout: KinfoLayout;
  readonly #regions = new Map<string, Region>();

  constructor(layout: KinfoLayout) {
    this.#layout = layout;
  }

  register(region: Region): Refusal | null {
    this.#regions.set(region.name, region);
    return null;
  }

  /** The driver forgets nothing: it listens to additions only. */
  unregister(): Refusal | null {
    return null;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    const places = this.#places(kernel);
    const bytes = encodeKinfo(this.#layout, {
      ...this.#addresses(places, issues),
      ...this.#numbers(kernel, places, issues),
      last_uts_release: kernel.vmcoreinfo === null ? '' : (new Vmcoreinfo(kernel.vmcoreinfo.text).release ?? ''),
    });
    const name = 'debug_kinfo.bin';
    const sink = out.file(name);
    sink.write(bytes);
    sink.finish();
    return [{ name, size: bytes.length }];
  }

  /** Physical addresses by symbol. */
  #places(kernel: TargetKernel): ReadonlyMap<string, number> {
    const places = new Map([...this.#regions.values()].map(({ name, paddr }) => [name, paddr]));
    if (FROM_REGISTRY.has(this.#layout.size)) return places;
    for (const name of [...Object.keys(ADDRESS_FIELDS), NUM_SYMS, RELATIVE_BASE]) {
      const symbol = places.has(name) ? null : kernel.symbol(name);
      const paddr = symbol === null ? null : kernel.translate(symbol.address);
      if (paddr !== null) places.set(name, paddr);
    }
    return places;
  }

  #addresses(places: ReadonlyMap<string, number>, issues: Issues): KinfoValues {
    const values: Record<string, bigint> = {};
    const wanted = new Set(this.#layout.fields.map(({ name }) => name));
    for (const [symbol, field] of Object.entries(ADDRESS_FIELDS)) {
      const paddr = places.get(symbol);
      if (paddr !== undefined) values[field] = BigInt(paddr);
      // Kernels with offsets have no addresses table.
      else if (wanted.has(field) && field !== '_addresses_pa') {
        issues.add('missing-symbol', `${symbol} was not registered: ${field} is 0`);
      }
    }
    return values;
  }

  #numbers(kernel: TargetKernel, places: ReadonlyMap<string, number>, issues: Issues): KinfoValues {
    const bits = kernel.arch.bits;
    const symbols = held(kernel, places, NUM_SYMS, 4, issues) ?? 0n;
    const nameLength = symbolNameLength(kernel);
    const moduleNameLength = 64 - bits / 8;
    return {
      enabled_base_relative: isBaseRelative(kernel, places) ? 1n : 0n,
      enabled_absolute_percpu: hasAbsolutePerCpu(kernel, places, Number(symbols)) ? 1n : 0n,
      num_syms: symbols,
      name_len: BigInt(nameLength),
      bit_per_long: BigInt(bits),
      module_name_len: BigInt(moduleNameLength),
      symbol_len: BigInt(symbolLength(nameLength, moduleNameLength, bits)),
      _relative_pa: this.#relative(kernel, places, issues),
      thread_size: BigInt(threadSize(kernel)),
      mod_mem_offset: BigInt(kernel.offsetOf('module', 'mem') ?? 0),
      mod_core_layout_offset: BigInt(kernel.offsetOf('module', 'core_layout') ?? 0),
      mod_init_layout_offset: BigInt(kernel.offsetOf('module', 'init_layout') ?? 0),
      mod_kallsyms_offset: BigInt(kernel.offsetOf('module', 'kallsyms') ?? 0),
    };
  }

  #relative(kernel: TargetKernel, places: ReadonlyMap<string, number>, issues: Issues): bigint {
    if (this.#layout.size === WITHOUT_RELATIVE_BASE || !isBaseRelative(kernel, places)) return 0n;
    const base = held(kernel, places, RELATIVE_BASE, kernel.arch.bits === 64 ? 8 : 4, issues);
    const paddr = base === null ? null : kernel.translate(base);
    return paddr === null ? 0n : BigInt(paddr);
  }
}

/** What a variable holds. */
function held(
  kernel: TargetKernel,
  places: ReadonlyMap<string, number>,
  name: string,
  size: 4 | 8,
  issues: Issues,
): bigint | null {
  const paddr = places.get(name);
  if (paddr === undefined) {
    issues.add('missing-symbol', `${name} was not registered: what it holds is not told`);
    return null;
  }
  try {
    return size === 8 ? kernel.memory.u64(paddr) : BigInt(kernel.memory.u32(paddr));
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('missing-memory', `${name}: ${error.message}`, paddr);
    return null;
  }
}

/** Kernels of 7.0 and later have offsets from their own places and no base (a081b5789255). */
function isBaseRelative(kernel: TargetKernel, places: ReadonlyMap<string, number>): boolean {
  return places.has(RELATIVE_BASE) || kernel.symbol(RELATIVE_BASE) !== null;
}

/** KALLSYMS_ABSOLUTE_PERCPU: distances from the base of all but per-CPU symbols are negative, so the last one, of an address in the image, is. */
function hasAbsolutePerCpu(kernel: TargetKernel, places: ReadonlyMap<string, number>, symbols: number): boolean {
  const offsets = places.get('kallsyms_offsets');
  if (offsets === undefined || symbols === 0 || !isBaseRelative(kernel, places)) return false;
  const last = kernel.memory.locate(offsets + 4 * (symbols - 1), 4);
  return last >= 0 && kernel.memory.view.getInt32(last, kernel.littleEndian) < 0;
}

/** KSYM_NAME_LEN: 512 since b8a94bfb3395 (6.1), 128 before. Nothing in a dump tells it but the release. */
function symbolNameLength({ vmcoreinfo }: TargetKernel): number {
  const release = vmcoreinfo === null ? undefined : new Vmcoreinfo(vmcoreinfo.text).release;
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  if (match === null) return 0;
  return Number(match[1]) * 1000 + Number(match[2]) >= 6001 ? 512 : 128;
}

/** KSYM_SYMBOL_LEN: "%s+%#lx/%#lx [%s %s]" with the longest name, two numbers, module name and build id. */
function symbolLength(nameLength: number, moduleNameLength: number, bits: number): number {
  if (nameLength === 0) return 0;
  const format = '%s+%#lx/%#lx [%s %s]'.length + 1;
  return format + nameLength - 1 + 2 * Math.floor((bits * 3) / 10) + moduleNameLength - 1 + 2 * BUILD_ID_SIZE + 1;
}

/** THREAD_SIZE: the room that the linker script gives to init's stack; 0 if its symbols are not known. */
function threadSize(kernel: TargetKernel): number {
  const start = kernel.symbol('__start_init_stack') ?? kernel.symbol('__start_init_task');
  const end = kernel.symbol('__end_init_stack') ?? kernel.symbol('__end_init_task');
  if (start === null || end === null || end.address <= start.address) return 0;
  const size = Number(end.address - start.address);
  return size <= 1 << 20 ? size : 0;
}

export const openDebugKinfo = (layout: KinfoLayout): Backend => new DebugKinfo(layout);
