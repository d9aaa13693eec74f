// An open dump. What takes reading memory (VMCOREINFO without a note, byte order, the address map) is found when it is first asked for.
import type { AddressMap } from '../address-map.js';
import type { Architecture } from '../arch/arch.js';
import { architectureByName } from '../arch/index.js';
import { buildAddressMap } from '../build-map.js';
import { UTSNAME_FIELDS } from '../formats/diskdump.js';
import { type ProgramHeader, PT_LOAD } from '../formats/elf.js';
import type { Note } from '../formats/notes.js';
import { decodeRealBytes, isRealBytes } from '../formats/real-bytes.js';
import { type DumpRegion, decodeRegionNames, isRegionNames } from '../formats/region-names.js';
import { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Issues } from '../issue.js';
import type { PhysicalMemory } from '../memory.js';
import { type ReadLog, RecordingMemory } from '../recording-memory.js';
import type { ByteSource } from '../source.js';
import { isPowerOfTwo } from '../u64.js';
import { Attributes } from './attributes.js';
import type { OpenedContainer } from './container.js';
import { cpuFacts, cpusOf, type DumpCpu } from './cpus.js';
import { type DeviceDump, deviceDumps } from './device-dumps.js';
import type { Container, Dump } from './dump.js';
import { byteOrderByTokens, identifyArchitecture } from './identify.js';
import { allBut, FILLED, fillingOf, MaskedMemory } from './masked-memory.js';
import { findVmcoreinfo, noteByteOrder, VMCOREINFO_NAME } from './vmcoreinfo.js';

const DEFAULT_PAGE = 4096;
const LINES = 'linux.vmcoreinfo.lines.';

/** A stretch of physical memory that a region core would hold, and the virtual address of its first byte there (0 for none). */
export interface OnlyRegion {
  readonly start: number;
  readonly end: number;
  readonly vaddr: bigint;
}

export interface DumpParts {
  readonly name: string;
  readonly opened: OpenedContainer;
  readonly sources: readonly ByteSource[];
  /** --set. */
  readonly set: ReadonlyMap<string, string>;
  /** VMCOREINFO as the user gave it. */
  readonly vmcoreinfo: Vmcoreinfo | null;
  readonly issues: Issues;
  /** All of memory that is taken to be there, ascending; null: what the container has. */
  readonly only: readonly OnlyRegion[] | null;
  /** Notes what is read of memory. */
  readonly log: ReadLog | null;
}

const asSegment = ({ start, end, vaddr }: OnlyRegion): ProgramHeader => ({
  type: PT_LOAD,
  flags: 0,
  offset: 0,
  vaddr,
  paddr: start,
  filesz: end - start,
  memsz: end - start,
  align: 0,
});

export class OpenedDump implements Dump {
  readonly name: string;
  readonly container: Container;
  readonly segments: readonly ProgramHeader[];
  readonly regions: readonly DumpRegion[];
  readonly notes: readonly Note[];
  readonly eraseinfo: Uint8Array | null;
  readonly issues: Issues;
  readonly #opened: OpenedContainer;
  readonly #sources: readonly ByteSource[];
  readonly #given: Vmcoreinfo | null;
  readonly #set: ReadonlyMap<string, string>;
  readonly #attributes: Attributes;
  readonly #only: DumpParts['only'];
  readonly #log: ReadLog | null;
  readonly #arch: Architecture | null;
  #vmcoreinfo: Vmcoreinfo | null | undefined;
  /** Byte order of the note that the scan for VMCOREINFO came upon. */
  #noteOrder: boolean | null = null;
  #pageSize = 0;
  #physical: PhysicalMemory | null = null;
  #virtual: AddressMap | null = null;
  #cpus: readonly DumpCpu[] | null = null;
  #complete = false;

  constructor({ name, opened, sources, set, vmcoreinfo, issues, only, log }: DumpParts) {
    this.name = name;
    this.container = opened.container;
    this.segments = opened.segments;
    this.notes = opened.notes;
    this.eraseinfo = opened.eraseinfo ?? opened.notes.find(note => note.name === 'ERASEINFO')?.descriptor ?? null;
    this.issues = issues;
    const names = opened.notes.find(isRegionNames);
    const { littleEndian } = opened.container;
    this.regions = names === undefined ? (opened.regions ?? []) : decodeRegionNames(names, littleEndian, issues);
    this.#opened = opened;
    this.#sources = sources;
    this.#given = vmcoreinfo;
    this.#set = set;
    this.#only = only;
    this.#log = log;
    this.#attributes = new Attributes(set);
    for (const [key, value, from] of opened.facts) this.#attributes.set(key, value, from);
    this.#arch = this.#architecture();
    if (set.has('arch.page_size')) void this.pageSize;
    if (set.has('arch.byte_order')) void this.physical;
  }

  get arch(): Architecture | null {
    return this.#arch;
  }

  #architecture(): Architecture | null {
    const found = identifyArchitecture(this.#opened);
    const name = this.#attributes.set('arch.name', found?.value.name ?? '', found?.from ?? 'unknown');
    const arch = name === '' ? null : architectureByName(name);
    if (arch === null && this.#set.has('arch.name')) {
      throw new RangeError(`arch.name: ${JSON.stringify(name)} is no architecture that is known here`);
    }
    if (arch === null) {
      const machine = this.#opened.machine ?? this.#opened.utsname?.machine;
      const said = machine === undefined ? 'nothing' : `${JSON.stringify(machine)}, ${this.container.bits}-bit,`;
      this.issues.add(
        'unknown-architecture',
        `the architecture is not known (${said} in the header); it can be said with --set arch.name=NAME`,
      );
    }
    this.#attributes.set(
      'arch.bits',
      arch?.bits ?? this.container.bits,
      arch === null ? this.#container : 'architecture',
    );
    return arch;
  }

  get #container(): string {
    return `${this.container.format} header`;
  }

  get vmcoreinfo(): Vmcoreinfo | null {
    if (this.#vmcoreinfo === undefined) this.#vmcoreinfo = this.#withOverrides(this.#findVmcoreinfo());
    return this.#vmcoreinfo;
  }

  #findVmcoreinfo(): Vmcoreinfo | null {
    const told = (vmcoreinfo: Vmcoreinfo, from: string): Vmcoreinfo => {
      this.#attributes.set('linux.vmcoreinfo.from', from, from);
      return vmcoreinfo;
    };
    if (this.#given !== null) return told(this.#given, 'user');
    const note = this.notes.find(({ name }) => name === VMCOREINFO_NAME);
    if (note !== undefined) return told(Vmcoreinfo.decode(note.descriptor), 'note');
    if (this.#opened.vmcoreinfo !== null) return told(Vmcoreinfo.decode(this.#opened.vmcoreinfo), this.#container);
    const found = findVmcoreinfo(this.#opened.physical, this.arch);
    if (found === null) {
      this.issues.add(
        'no-vmcoreinfo',
        'there is no VMCOREINFO, neither as a note nor in memory: what the kernel says of itself is not known',
      );
      return null;
    }
    this.#noteOrder = found.littleEndian;
    this.#attributes.set('linux.vmcoreinfo.paddr', found.paddr, 'memory');
    return told(found.vmcoreinfo, 'memory');
  }

  /** What the user says of single lines, and of phys_base, replaces or joins what was found. */
  #withOverrides(found: Vmcoreinfo | null): Vmcoreinfo | null {
    const said = new Map<string, string>();
    const physBase = this.#attributes.override('linux.phys_base', 0n);
    if (physBase !== undefined) said.set('NUMBER(phys_base)', physBase.toString());
    for (const key of this.#set.keys()) {
      const value = key.startsWith(LINES) ? this.#attributes.override(key, '') : undefined;
      if (value !== undefined) said.set(key.slice(LINES.length), value);
    }
    if (said.size === 0) return found;
    const lines = new Map([...(found?.lines ?? []), ...said]);
    return new Vmcoreinfo([...lines].map(([key, value]) => `${key}=${value}\n`).join(''));
  }

  get pageSize(): number {
    if (this.#pageSize !== 0) return this.#pageSize;
    const sizes = this.arch?.pageSizes ?? [];
    // VMCOREINFO may have to be searched for: not where the architecture leaves no choice.
    const said = sizes.length === 1 ? undefined : this.vmcoreinfo?.pageSize;
    const usable = said !== undefined && isPowerOfTwo(said) && said >= 1024 && said <= 1 << 20;
    const value = usable ? said : (sizes[0] ?? DEFAULT_PAGE);
    const from = usable ? 'VMCOREINFO' : sizes.length > 0 ? 'architecture' : 'assumed';
    const size = this.#attributes.set('arch.page_size', value, from);
    if (!isPowerOfTwo(size) || size > 1 << 30) throw new RangeError(`arch.page_size: ${size} is no power of two`);
    this.#pageSize = size;
    return size;
  }

  get physical(): PhysicalMemory {
    if (this.#physical === null) {
      this.#setOrder();
      const real = this.#withoutFilling();
      const memory = this.#only === null ? real : new MaskedMemory(real, allBut(this.#only), '');
      this.#physical = this.#log === null ? memory : new RecordingMemory(memory, this.#log);
    }
    return this.#physical;
  }

  #setOrder(): void {
    const { physical, file } = this.#opened;
    const pointerSize = (this.#attributes.get('arch.bits')?.value === 32 ? 4 : 8) as 4 | 8;
    const { little, from } = this.#byteOrder();
    const said = this.#attributes.set('arch.byte_order', little ? 'little' : 'big', from);
    if (said !== 'little' && said !== 'big')
      throw new RangeError(`arch.byte_order: ${JSON.stringify(said)} is neither little nor big`);
    for (const memory of file === null ? [physical] : [physical, file]) {
      memory.littleEndian = said === 'little';
      memory.pointerSize = pointerSize;
    }
  }

  #byteOrder(): { little: boolean; from: string } {
    const fixed = this.arch?.littleEndian ?? null;
    if (fixed !== null) return { little: fixed, from: 'architecture' };
    const { physical } = this.#opened;
    if (this.#set.has('arch.byte_order')) return { little: this.container.littleEndian, from: 'user' };
    if (this.arch !== null && this.vmcoreinfo !== null) {
      const tokens = byteOrderByTokens(physical, this.arch, this.vmcoreinfo);
      if (tokens !== null) return { little: tokens, from: 'kallsyms_token_index in memory' };
      const note = this.#noteOrder ?? noteByteOrder(physical);
      if (note !== null) return { little: note, from: 'VMCOREINFO note in memory' };
    }
    return { little: this.container.littleEndian, from: `${this.#container}, for want of better` };
  }

  /** Filling zeros of pages that are real only in part are no memory. */
  #withoutFilling(): PhysicalMemory {
    const { physical } = this.#opened;
    const note = this.notes.find(isRealBytes);
    const real = note === undefined ? null : decodeRealBytes(note, this.container.littleEndian, this.issues);
    if (real === null || real.length === 0) return physical;
    return new MaskedMemory(physical, fillingOf(real, this.pageSize), FILLED);
  }

  get virtual(): AddressMap {
    if (this.#virtual === null) {
      const { physical, vmcoreinfo, issues, arch, segments } = this;
      const { file, missing } = this.#opened;
      this.#virtual = buildAddressMap({
        physical,
        segments: this.#only === null ? segments : this.#only.map(asSegment),
        ...(file === null || this.#only !== null ? {} : { file }),
        arch,
        vmcoreinfo,
        attributes: this.#attributes,
        issues,
        missing: this.#only === null ? missing : 'unregistered',
      });
    }
    return this.#virtual;
  }

  get cpus(): readonly DumpCpu[] {
    this.#cpus ??= cpusOf(this.notes, this.arch, this.container.littleEndian, this.issues);
    return this.#cpus;
  }

  get deviceDumps(): readonly DeviceDump[] {
    return deviceDumps(this.notes);
  }

  /** All of them: what has to be found in memory is found now. */
  get attributes(): Attributes {
    if (!this.#complete) {
      this.#complete = true;
      this.#tellAll();
    }
    return this.#attributes;
  }

  #tellAll(): void {
    const attributes = this.#attributes;
    const { container, physical, vmcoreinfo } = this;
    void this.pageSize;
    void this.virtual;
    attributes.set('file.format', container.format, 'file');
    attributes.set('file.flattened', container.flattened, 'file');
    attributes.set('file.compression', container.compression.join(','), 'page descriptors');
    this.#sources.forEach(({ name, size }, i) => {
      attributes.set(`file.${i}.name`, name, 'file');
      attributes.set(`file.${i}.size`, size, 'file');
    });
    const { start, end } = physical.bounds;
    attributes.set('memory.start', start, 'presence');
    attributes.set('memory.end', end, 'presence');
    attributes.set('memory.present_bytes', physical.presentBytes, 'presence');
    for (const [key, value] of vmcoreinfo?.lines ?? []) attributes.set(`${LINES}${key}`, value, 'VMCOREINFO');
    const physBase = vmcoreinfo?.number('phys_base');
    if (physBase !== undefined) attributes.set('linux.phys_base', physBase, 'VMCOREINFO');
    for (const field of UTSNAME_FIELDS) {
      const { value, from } = attributes.get(`kdump.utsname.${field}`) ?? { value: '', from: '' };
      if (value !== '') attributes.set(`linux.uts.${field}`, value, from);
    }
    if (vmcoreinfo?.release !== undefined) attributes.set('linux.uts.release', vmcoreinfo.release, 'VMCOREINFO');
    for (const [key, value, from] of cpuFacts(this.cpus)) attributes.set(key, value, from);
    this.deviceDumps.forEach(({ name, size }, i) => {
      attributes.set(`device_dump.${i}.name`, name, 'NT_VMCOREDD');
      attributes.set(`device_dump.${i}.size`, size, 'NT_VMCOREDD');
    });
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }
}
