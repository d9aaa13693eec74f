// Google's debug_kinfo area: where a kernel's symbol tables lie, for boot firmware. Written as a file of its own, as the reserved memory would hold it. Source: kernel/meminspect/kinfo.c
// (meminspect v1 to v3), drivers/android/debug_kinfo.c. What only the kernel's build knows and no dump tells (enabled_all, enabled_absolute_percpu, enabled_cfi_clang,
// enabled_modules_tree_lookup, build_info) is 0.
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
    const bytes = encodeKinfo(this.#layout, {
      ...this.#addresses(issues),
      ...this.#numbers(kernel, issues),
      last_uts_release: kernel.vmcoreinfo === null ? '' : (new Vmcoreinfo(kernel.vmcoreinfo.text).release ?? ''),
    });
    const name = 'debug_kinfo.bin';
    const sink = out.file(name);
    sink.write(bytes);
    sink.finish();
    return [{ name, size: bytes.length }];
  }

  #addresses(issues: Issues): KinfoValues {
    const values: Record<string, bigint> = {};
    const wanted = new Set(this.#layout.fields.map(({ name }) => name));
    for (const [symbol, field] of Object.entries(ADDRESS_FIELDS)) {
      const region = this.#regions.get(symbol);
      if (region !== undefined) values[field] = BigInt(region.paddr);
      // Kernels with offsets have no addresses table.
      else if (wanted.has(field) && field !== '_addresses_pa') {
        issues.add('missing-symbol', `${symbol} was not registered: ${field} is 0`);
      }
    }
    return values;
  }

  #numbers(kernel: TargetKernel, issues: Issues): KinfoValues {
    const bits = kernel.arch.bits;
    const base = this.#registered(kernel, 'kallsyms_relative_base', bits === 64 ? 8 : 4, issues);
    const relative = base === null ? null : kernel.translate(base);
    const nameLength = symbolNameLength(kernel);
    const moduleNameLength = 64 - bits / 8;
    return {
      enabled_base_relative: base === null ? 0n : 1n,
      num_syms: this.#registered(kernel, 'kallsyms_num_syms', 4, issues) ?? 0n,
      name_len: BigInt(nameLength),
      bit_per_long: BigInt(bits),
      module_name_len: BigInt(moduleNameLength),
      symbol_len: BigInt(symbolLength(nameLength, moduleNameLength, bits)),
      _relative_pa: relative === null || this.#layout.size === WITHOUT_RELATIVE_BASE ? 0n : BigInt(relative),
      thread_size: BigInt(threadSize(kernel)),
      mod_mem_offset: BigInt(kernel.offsetOf('module', 'mem') ?? 0),
      mod_core_layout_offset: BigInt(kernel.offsetOf('module', 'core_layout') ?? 0),
      mod_init_layout_offset: BigInt(kernel.offsetOf('module', 'init_layout') ?? 0),
      mod_kallsyms_offset: BigInt(kernel.offsetOf('module', 'kallsyms') ?? 0),
    };
  }

  /** What a registered variable holds. */
  #registered(kernel: TargetKernel, name: string, size: 4 | 8, issues: Issues): bigint | null {
    const paddr = this.#regions.get(name)?.paddr;
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
