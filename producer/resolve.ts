// Region sets against a kernel: which registrations their entries become, and what cannot be found and why. Nothing here is fatal.
import { hex } from 'kdumpling/reader';
import type { RegionRequest } from 'kdumpling/reader/formats/region-set';
import type { TargetSymbol } from './kernel.js';
import { Placer, type Resolution, type Sized } from './placer.js';
import type { Entry, EntrySize } from './region-sets/index.js';

/** MAX_NUMNODES and NR_SECTION_ROOTS of any kernel are below. */
const MOST_NODES = 4096;
const MOST_ROOTS = 1 << 20;
/** Far more than a registry has room for. */
const MOST_REGISTERED_ROOTS = 4096;
/** IKCFG_ST before the configuration, IKCFG_ED behind it. */
const CONFIG_MARKER = 8;
/** Objects of one type that a set may ask for. */
const MOST_OBJECTS = 65536;

/** Every symbol that resolving these needs, so that they can be asked for in one pass. */
export function symbolNames(entries: Iterable<Entry>, requests: Iterable<RegionRequest>): string[] {
  const names = new Set(FIXED_NAMES);
  for (const entry of entries) {
    if (entry.what === 'symbol') for (const name of entry.symbols) names.add(name);
    else if ('symbol' in entry) names.add(entry.symbol);
  }
  for (const request of requests) if (request.kind === 'symbol') names.add(request.symbol);
  return [...names];
}

/** What entries of other kinds look at, and what the core image's note does. */
const FIXED_NAMES = [
  'prb',
  'printk_rb_static',
  'printk_rb_dynamic',
  'mem_section',
  'node_data',
  'kernel_config_data',
  'kernel_config_data_end',
  '__cpu_possible_mask',
  '__per_cpu_offset',
  'nr_cpu_ids',
  'saved_command_line',
];

export class Resolver extends Placer {
  /** The registrations of a series' entries, in their order. */
  *entries(entries: readonly Entry[]): Iterable<Resolution> {
    for (const entry of entries) yield* this.#entry(entry);
  }

  /** The registrations of a user's file, in its order. */
  *requests(requests: readonly RegionRequest[]): Iterable<Resolution> {
    for (const request of requests) yield* this.#request(request);
  }

  *#entry(entry: Entry): Iterable<Resolution> {
    switch (entry.what) {
      case 'symbol':
        yield* this.#symbolEntry(entry.id, entry.symbols, entry.size);
        break;
      case 'vmcoreinfo':
        yield* this.#vmcoreinfoEntry(entry.id);
        break;
      case 'config':
        yield* this.#config(entry.id, entry.bytes);
        break;
      case 'member':
        yield* this.#member(entry);
        break;
      case 'section-roots':
        yield* this.#sectionRoots(entry.id);
        break;
      case 'first-section-root':
        yield* this.#firstRoot(entry.id);
        break;
      case 'section-root':
        yield* this.#eachRoot();
        break;
      case 'node-data':
        yield* this.#nodeData(entry.id);
        break;
      case 'node':
        yield* this.#nodes();
        break;
      case 'per-cpu':
        yield* this.#perCpu(entry.symbol, entry.type);
        break;
      case 'log-buffer':
      case 'ring':
        yield* this.#ringInUse(entry.id, entry.what);
        break;
      case 'dynamic-ring':
        yield* this.#dynamicRing(entry.ids);
        break;
      case 'unknown':
        this.leave(entry.name, 'unresolved', entry.why);
        break;
    }
  }

  *#request(request: RegionRequest): Iterable<Resolution> {
    const id = request.id;
    if (request.kind === 'symbol') {
      const offset = request.offset ?? 0;
      // What lies behind a symbol is another thing, or a part of it.
      const name = request.name ?? (offset === 0 ? request.symbol : `${request.symbol}+${hex(offset)}`);
      const symbol = this.symbol(name, [request.symbol]);
      if (symbol === undefined) return;
      const sized: Sized | undefined =
        request.length === null ? this.#rest(name, symbol, offset) : { size: request.length, from: 'region-set' };
      if (sized === undefined) return;
      if (request.perCpu === true) yield* this.#copies(name, symbol, offset, sized);
      else yield* this.place(name, id, this.words.add(symbol.address, offset), sized);
    } else if (request.kind === 'type') {
      yield* this.#objects(request.type, request.name ?? request.type);
    } else {
      yield* this.#range(request);
    }
  }

  /** From `offset` to the end. */
  #rest(name: string, symbol: TargetSymbol, offset: number): Sized | undefined {
    const whole = this.size(name, symbol, { of: 'symbol' });
    if (whole === undefined || offset < whole.size) return whole && { ...whole, size: whole.size - offset };
    return this.leave(name, 'unknown-size', `it has ${whole.size} bytes, and none behind ${offset}`, symbol.address);
  }

  *#range(request: RegionRequest & { readonly kind: 'virtual' | 'physical' }): Iterable<Resolution> {
    const { length } = request;
    const vaddr = request.kind === 'virtual' ? request.vaddr : this.kernel.linearAddress(request.paddr);
    const name = request.name ?? '';
    const told = name || hex(vaddr ?? request.paddr ?? 0);
    const paddr = request.paddr ?? (vaddr === null ? null : this.kernel.translate(vaddr));
    if (paddr === null) {
      this.leave(told, 'untranslatable', 'it has no physical address in the linear and image maps', vaddr);
      return;
    }
    if (!this.present(told, paddr, length)) return;
    const where = { vaddr: vaddr ?? 0n, paddr, size: length };
    yield { name, id: request.id, ...where, sizeFrom: 'region-set', replaces: false };
  }

  *#objects(type: string, name: string): Iterable<Resolution> {
    const objects = this.kernel.objectsOf(type);
    const size = this.kernel.sizeOf(type);
    if (objects === null || size === null) {
      this.leave(name, 'unresolved', `this dump does not tell where objects of type ${type} are, or how large`);
      return;
    }
    for (const vaddr of objects.slice(0, MOST_OBJECTS))
      yield* this.place(name, null, vaddr, { size, from: 'vmcoreinfo' });
  }

  *#symbolEntry(id: string, names: readonly string[], size: EntrySize): Iterable<Resolution> {
    const known = names.some(name => this.kernel.symbol(name) !== null);
    // A kernel without data symbols tells of printk_rb_static in VMCOREINFO, and that where its parts are.
    const part = size.of === 'ring' && !known ? this.ringPart(size.part) : undefined;
    if (part !== undefined) {
      yield* this.place(id, id, part.vaddr, { size: part.size, from: 'memory' });
      return;
    }
    const symbol = this.symbol(id, names);
    if (symbol === undefined) return;
    const sized = this.size(id, symbol, size);
    if (sized !== undefined) yield* this.place(id, id, symbol.address, sized);
  }

  *#vmcoreinfoEntry(id: string): Iterable<Resolution> {
    const { vmcoreinfo } = this.kernel;
    if (vmcoreinfo === null || vmcoreinfo.paddr === null) {
      this.leave(id, 'unresolved', 'VMCOREINFO is not known, or not where it lies in memory');
      return;
    }
    const { paddr } = vmcoreinfo;
    const size = new TextEncoder().encode(vmcoreinfo.text).length;
    const vaddr = vmcoreinfo.vaddr ?? this.kernel.linearAddress(paddr) ?? 0n;
    if (!this.present(id, paddr, size)) return;
    yield { name: id, id, vaddr, paddr, size, sizeFrom: 'memory', replaces: false };
  }

  *#config(id: string, bytes: number | undefined): Iterable<Resolution> {
    const data = this.symbol(id, ['kernel_config_data']);
    if (data === undefined) return;
    const start = this.words.add(data.address, -CONFIG_MARKER);
    if (bytes !== undefined) {
      yield* this.place(id, id, start, { size: bytes, from: 'series' });
      return;
    }
    const end = this.symbol(id, ['kernel_config_data_end']);
    if (end === undefined) return;
    const size = Number(end.address - data.address) + 2 * CONFIG_MARKER;
    yield* this.place(id, id, start, { size, from: 'symbol-table' });
  }

  *#member(entry: Extract<Entry, { what: 'member' }>): Iterable<Resolution> {
    const symbol = this.symbol(entry.id, [entry.symbol]);
    if (symbol === undefined) return;
    const offset = this.kernel.offsetOf(entry.type, entry.member);
    if (offset === null) {
      const member = `${entry.type}.${entry.member}`;
      this.leave(entry.id, 'unknown-member', `nothing tells the offset of ${member}`, symbol.address);
      return;
    }
    const sized = this.size(entry.id, symbol, entry.size);
    if (sized !== undefined) yield* this.place(entry.id, entry.id, this.words.add(symbol.address, offset), sized);
  }

  /** The value of mem_section where it is a pointer: SPARSEMEM_EXTREME. */
  #rootArray(): { readonly vaddr: bigint; readonly length: number } | null {
    const symbol = this.kernel.symbol('mem_section');
    const length = this.kernel.lengthOf('mem_section');
    if (symbol === null || length === null || length > MOST_ROOTS || !this.isPointer(symbol)) return null;
    const vaddr = this.words.pointer(symbol.address);
    return vaddr === null || vaddr === 0n ? null : { vaddr, length };
  }

  *#sectionRoots(id: string | null): Iterable<Resolution> {
    const roots = this.#rootArray();
    if (roots === null) return;
    const sized: Sized = { size: roots.length * this.words.wordSize, from: 'vmcoreinfo' };
    yield* this.place(id ?? 'mem_section[]', id, roots.vaddr, sized);
  }

  *#firstRoot(id: string): Iterable<Resolution> {
    const roots = this.#rootArray();
    const size = this.kernel.sizeOf('mem_section');
    const first = roots === null ? null : this.words.pointer(roots.vaddr);
    if (roots === null || size === null || first === null || first === 0n) {
      this.leave(id, 'unresolved', 'there is no array of section roots, or it cannot be read');
      return;
    }
    yield* this.place(id, id, first, { size: roots.length * size, from: 'vmcoreinfo' });
  }

  *#eachRoot(): Iterable<Resolution> {
    const roots = this.#rootArray();
    const size = this.kernel.sizeOf('mem_section');
    if (roots === null || size === null || size === 0) return;
    const perRoot = Math.floor(this.kernel.pageSize / size);
    let found = 0;
    for (let i = 0; i < roots.length && found < MOST_REGISTERED_ROOTS; i++) {
      const root = this.words.pointer(this.words.add(roots.vaddr, i * this.words.wordSize));
      if (root === null) break;
      if (root === 0n) continue;
      found++;
      yield* this.place(`mem_section[${i}]`, null, root, { size: perRoot * size, from: 'vmcoreinfo' });
    }
  }

  #nodeCount(symbol: TargetSymbol): number {
    const length = this.kernel.lengthOf('node_data');
    return Math.min(length ?? Math.floor((symbol.size ?? 0) / this.words.wordSize), MOST_NODES);
  }

  *#nodeData(id: string): Iterable<Resolution> {
    const symbol = this.symbol(id, ['node_data']);
    if (symbol === undefined) return;
    const size = this.kernel.sizeOf('pglist_data');
    if (size === null) {
      this.leave(id, 'unknown-size', 'nothing tells the size of a pglist_data', symbol.address);
      return;
    }
    const count = this.#nodeCount(symbol);
    this.issues.add(
      'oversized-region',
      `${id}: this series registers an array of ${count} pointers as if it were one of structures, ${count * size} bytes in all`,
      symbol.address,
    );
    yield* this.place(id, id, symbol.address, { size: count * size, from: 'vmcoreinfo' });
  }

  /** One pglist_data for each node that has its own number in it; without CONFIG_NUMA there are none to allocate. */
  *#nodes(): Iterable<Resolution> {
    const symbol = this.kernel.symbol('node_data');
    const size = this.kernel.sizeOf('pglist_data');
    const idAt = this.kernel.offsetOf('pglist_data', 'node_id');
    if (symbol === null) {
      if (this.vmcoreinfo?.symbol('contig_page_data') === undefined) {
        this.leave('pglist_data', 'missing-symbol', 'the kernel has no symbol node_data that this dump tells of');
      }
      return;
    }
    if (size === null || idAt === null) {
      this.leave('pglist_data', 'unknown-size', 'nothing tells the size of a pglist_data', symbol.address);
      return;
    }
    for (let node = 0; node < this.#nodeCount(symbol); node++) {
      const vaddr = this.words.pointer(this.words.add(symbol.address, node * this.words.wordSize));
      if (vaddr === null) break;
      if (vaddr === 0n || this.words.u32(this.words.add(vaddr, idAt)) !== node) continue;
      yield* this.place(`node_data[${node}]`, null, vaddr, { size, from: 'vmcoreinfo' });
    }
  }

  *#perCpu(name: string, type: string): Iterable<Resolution> {
    const symbol = this.symbol(name, [name]);
    if (symbol === undefined) return;
    const sized = this.size(name, symbol, { of: 'symbol', type });
    if (sized !== undefined) yield* this.#copies(name, symbol, 0, sized);
  }

  /** Every possible CPU's copy, `offset` bytes into it. */
  *#copies(name: string, symbol: TargetSymbol, offset: number, sized: Sized): Iterable<Resolution> {
    const cpus = this.words.possibleCpus();
    if (cpus === null) {
      this.leave(name, 'unresolved', '__cpu_possible_mask and __per_cpu_offset are not to be had', symbol.address);
      return;
    }
    for (const copy of cpus) {
      const place = this.words.add(this.words.add(symbol.address, copy.offset), offset);
      yield* this.place(`${name}[${copy.cpu}]`, null, place, sized);
    }
  }

  *#ringInUse(id: string, part: 'log-buffer' | 'ring'): Iterable<Resolution> {
    const vaddr = this.words.variable('prb');
    if (vaddr === null) {
      this.leave(id, 'unresolved', 'prb cannot be read');
      return;
    }
    if (part === 'ring') {
      const size = this.kernel.sizeOf('printk_ringbuffer');
      if (size === null) this.leave(id, 'unknown-size', 'nothing tells the size of a printk_ringbuffer', vaddr);
      else yield* this.place(id, id, vaddr, { size, from: 'vmcoreinfo' });
      return;
    }
    const ring = this.words.ring(vaddr);
    if (ring === null) this.leave(id, 'unresolved', 'the ring that prb points to cannot be read', vaddr);
    else yield* this.place(id, id, ring.data, { size: ring.dataSize, from: 'memory' });
  }

  *#dynamicRing(ids: readonly [string, string, string] | null): Iterable<Resolution> {
    const prb = this.words.variable('prb');
    const dynamic = this.kernel.symbol('printk_rb_dynamic');
    const fixed = this.kernel.symbol('printk_rb_static');
    if (prb === null || (dynamic === null && fixed === null)) {
      this.leave('new_log_buf', 'unresolved', 'prb cannot be read, or the two rings have no symbols');
      return;
    }
    if (dynamic === null ? prb === fixed?.address : prb !== dynamic.address) return;
    const ring = this.words.ring(prb);
    if (ring === null) {
      this.leave('new_log_buf', 'unresolved', 'the ring that prb points to cannot be read', prb);
      return;
    }
    const parts = [
      ['new_log_buf', ring.data, ring.dataSize],
      ['new_descs', ring.descs, ring.descsSize],
      ['new_infos', ring.infos, ring.infosSize],
    ] as const;
    for (let i = 0; i < parts.length; i++) {
      const [name, vaddr, size] = parts[i];
      yield* this.place(name, ids?.[i] ?? null, vaddr, { size, from: 'memory' }, ids !== null);
    }
  }
}
