// A dump as the producer asks of it: symbols from the dump and from vmlinux, sizes and lengths from VMCOREINFO, addresses by the linear and image maps.
import { type Kernel, Missing } from 'kdumpling/analysis';
import { objectsOfType } from 'kdumpling/analysis/advise';
import { struct } from 'kdumpling/analysis/object';
import { withoutTables } from 'kdumpling/analysis/vtop';
import type { OverlayMemory, TargetKernel, TargetSymbol } from 'kdumpling/producer';
import { type AddressRange, type Dump, InputError, type Issues, MemoryFault } from 'kdumpling/reader';
import type { Architecture, LinearRange } from 'kdumpling/reader/arch';
import { type KernelSymbol, LayeredSymbols, type Symbols } from 'kdumpling/reader/debuginfo';
import { type Note, NT_VMCOREDD } from 'kdumpling/reader/formats/notes';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';

export interface TargetKernelParts {
  readonly dump: Dump;
  /** Of the same dump: finds symbols that are in no table, and all objects of a type. */
  readonly kernel: Kernel;
  readonly memory: OverlayMemory;
  /** Names that will be asked for: found in one pass. */
  readonly names: readonly string[];
  readonly issues: Issues;
}

/** What this file and the back-ends look up. */
const NAMES = [
  'vmcoreinfo_data',
  'linux_banner',
  'swapper_pg_dir',
  '_text',
  '_stext',
  '_etext',
  '_sinittext',
  '_einittext',
  '_end',
  'kallsyms_num_syms',
  'kallsyms_relative_base',
  'kallsyms_offsets',
  'kallsyms_names',
  'kallsyms_token_table',
  'kallsyms_token_index',
  'kallsyms_markers',
  'kallsyms_seqs_of_names',
];
/** Notes that are not a CPU's. */
const NOT_PER_CPU = new Set(['VMCOREINFO', 'QEMU', 'ERASEINFO', 'Xen', 'KDUMPLING']);

export function targetKernel(parts: TargetKernelParts): TargetKernel {
  const { dump, memory } = parts;
  const { arch } = dump;
  if (arch === null) {
    throw new InputError(
      { source: dump.name, nowhere: 'absent', record: 'attributes', field: 'arch.name' },
      'its architecture is not known, so neither pointers nor addresses can be read',
      'say it with --set arch.name=x86_64 (or another)',
    );
  }
  const maps = new Maps(dump, arch);
  const symbols = new TargetSymbols(sourcesOf(parts.kernel.own), [...parts.names, ...NAMES]);
  const info = dump.vmcoreinfo;
  const objects = (type: string) => objectsIn(parts.kernel, type, parts.issues);
  const kernel: TargetKernel = {
    arch,
    littleEndian: memory.littleEndian,
    pageSize: dump.pageSize,
    memory,
    vmcoreinfo: null,
    cpuNotes: dump.notes.filter(isPerCpu),
    linearRanges: maps.linearRanges,
    symbol: name => symbols.find(name),
    sizeOf: type => info?.size(type) ?? objects(type)?.size ?? null,
    offsetOf: (type, member) => info?.offset(type, member) ?? null,
    objectsOf: type => objects(type)?.addresses ?? null,
    lengthOf: name => info?.length(name) ?? null,
    translate: vaddr => maps.translate(vaddr),
    linearAddress: paddr => maps.linearAddress(paddr),
  };
  if (info === null) return kernel;
  return { ...kernel, vmcoreinfo: { ...placeVmcoreinfo(kernel, memory, info, parts.issues), atCrash: info.text } };
}

/** In order of trust; the first that knows a name says where it is. */
const sourcesOf = (symbols: Symbols): readonly Symbols[] =>
  symbols instanceof LayeredSymbols ? symbols.layers.flatMap(sourcesOf) : [symbols];

/** All objects of a type, and its size; null where the dump cannot tell either. */
function objectsIn(kernel: Kernel, type: string, issues: Issues) {
  try {
    const addresses = objectsOfType(kernel, type, issues);
    return addresses === null ? null : { addresses, size: struct(kernel, type).size };
  } catch (error) {
    if (error instanceof Missing) issues.add(`missing-${error.kind}`, error.message);
    else if (error instanceof MemoryFault) issues.add('unreadable-memory', error.message, error.address);
    else throw error;
    return null;
  }
}

const isPerCpu = (note: Note): boolean =>
  !NOT_PER_CPU.has(note.name) && !(note.name === 'LINUX' && note.type === NT_VMCOREDD);

/** Both directions between physical and virtual addresses. */
class Maps {
  readonly linearRanges: readonly LinearRange[];
  readonly #dump: Dump;
  readonly #linear: readonly AddressRange[];
  /** The addresses behind each map's last one. */
  readonly #ends: ReadonlySet<bigint>;

  constructor(dump: Dump, arch: Architecture) {
    this.#dump = dump;
    const { ranges } = dump.virtual;
    const known = ranges.filter(({ method }) => method === 'linear');
    this.#ends = new Set(known.map(({ last }) => last + 1n));
    this.#linear = known.filter(({ name }) => name === 'linear');
    this.linearRanges = known
      .filter(({ name }) => name === 'linear' || name === 'image')
      .map(({ name, first, last, target }) => ({
        name: name === 'image' ? 'image' : 'linear',
        first,
        last,
        offset: BigInt.asUintN(arch.bits, first - BigInt(target)),
      }));
  }

  /** Where a map ends, the address just behind it has a place too: `_end` is one. */
  translate(vaddr: bigint): number | null {
    const paddr = this.#translate(vaddr);
    if (paddr >= 0) return paddr;
    if (!this.#ends.has(vaddr)) return null;
    const before = this.#translate(vaddr - 1n);
    return before < 0 ? null : before + 1;
  }

  /** virt_to_phys() knows no page tables. */
  #translate(vaddr: bigint): number {
    const { virtual } = this.#dump;
    return withoutTables(virtual, () => virtual.translate(vaddr));
  }

  /** phys_to_virt: arithmetic, also for memory that a map is not proven for. */
  linearAddress(paddr: number): bigint | null {
    const range =
      this.#linear.find(({ first, last, target }) => paddr >= target && BigInt(paddr - target) <= last - first) ??
      this.#linear.findLast(({ target }) => target <= paddr);
    return range === undefined ? null : range.first + BigInt(paddr - range.target);
  }
}

/** One answer from several sources; a size that is only a bound is replaced by an exact one of another source. */
class TargetSymbols {
  readonly #sources: readonly Symbols[];
  readonly #known = new Map<string, TargetSymbol | null>();

  constructor(sources: readonly Symbols[], names: readonly string[]) {
    this.#sources = sources;
    this.#ask(names);
  }

  find(name: string): TargetSymbol | null {
    if (!this.#known.has(name)) this.#ask([name]);
    return this.#known.get(name) ?? null;
  }

  #ask(names: readonly string[]): void {
    const answers = this.#sources.map(source => source.resolve(names));
    for (const name of names) {
      const found = answers
        .map(answer => answer.get(name))
        .filter((symbol): symbol is KernelSymbol => symbol !== undefined);
      this.#known.set(name, found.length === 0 ? null : merge(found));
    }
  }
}

function merge(found: readonly KernelSymbol[]): TargetSymbol {
  const sized = found.find(({ sizeFrom }) => sizeFrom === 'exact') ?? found.find(({ size }) => size > 0);
  const { address } = found[0];
  return sized === undefined || sized.size === 0
    ? { address, size: null, sizeIsBound: false }
    : { address, size: sized.size, sizeIsBound: sized.sizeFrom === 'neighbour' };
}

/** VMCOREINFO as it was at boot, and the page that it lies in: where vmcoreinfo_data points, else wherever its text is found at a page's start. */
function placeVmcoreinfo(
  kernel: TargetKernel,
  memory: OverlayMemory,
  info: Vmcoreinfo,
  issues: Issues,
): NonNullable<TargetKernel['vmcoreinfo']> {
  const text = info.text.replace(/CRASHTIME=\d+\n?$/, '');
  const bytes = new TextEncoder().encode(text);
  const pointed = pointedVmcoreinfo(kernel, bytes);
  if (pointed !== null) return { text, ...pointed };
  const paddr = searchPage(kernel, bytes);
  if (paddr !== null) return { text, vaddr: kernel.linearAddress(paddr), paddr };
  const placed = memory.allocate(bytes.length);
  memory.write(placed, bytes);
  issues.add(
    'vmcoreinfo-not-in-memory',
    'VMCOREINFO is known, but its page is not in this dump: it is registered from a page of our own',
    placed,
  );
  return { text, vaddr: kernel.linearAddress(placed), paddr: placed };
}

function pointedVmcoreinfo(kernel: TargetKernel, bytes: Uint8Array): { vaddr: bigint; paddr: number } | null {
  const variable = kernel.symbol('vmcoreinfo_data');
  const at = variable === null ? null : kernel.translate(variable.address);
  if (at === null || kernel.memory.locate(at, kernel.memory.pointerSize) < 0) return null;
  const vaddr = kernel.memory.pointer(at);
  const paddr = kernel.translate(vaddr);
  return paddr !== null && holds(kernel, paddr, bytes) ? { vaddr, paddr } : null;
}

function holds(kernel: TargetKernel, paddr: number, bytes: Uint8Array): boolean {
  const at = kernel.memory.locate(paddr, bytes.length);
  return at >= 0 && equal(kernel.memory.arena.subarray(at, at + bytes.length), bytes);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function searchPage(kernel: TargetKernel, bytes: Uint8Array): number | null {
  const { memory, pageSize } = kernel;
  const first = bytes[0];
  const candidates: number[] = [];
  memory.scan(0, memory.extents.end, (paddr, piece) => {
    const skip = (pageSize - (paddr % pageSize)) % pageSize;
    for (let i = skip; i + 8 <= piece.length; i += pageSize) {
      if (piece[i] === first && equal(piece.subarray(i, i + 8), bytes.subarray(0, 8))) candidates.push(paddr + i);
    }
    return candidates.length < 64;
  });
  return candidates.find(paddr => holds(kernel, paddr, bytes)) ?? null;
}
