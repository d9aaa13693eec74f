// Qualcomm's downstream minidump driver: clients add regions by name, the driver keeps an ELF header of them in memory (`KELF_HDR`), which is region 0 of the table
// that boot firmware reads. Source: drivers/soc/qcom/{msm_minidump,minidump_smem}.c (msm-5.15).
import { OverlayMemory, type Refusal, type Region, type TargetKernel } from 'kdumpling/producer';
import { alignUp, type FolderSink, type Issues, MemoryFault } from 'kdumpling/reader';
import { MINIDUMP_MAGIC, type RegionRecord, safeFileName } from 'kdumpling/reader/formats/qcom-minidump';
import {
  encodeMsmHeader,
  MSM_BANNER,
  MSM_TABLE,
  type MsmDescription,
  type MsmRegionDescription,
  type MsmShape,
  msmFixedSections,
} from 'kdumpling/reader/formats/qcom-msm';
import type { Backend, WrittenFile } from './backend.js';
import { type QualcommOptions, runFirmware } from './qcom-minidump.js';

/** The longest name of a client's region. */
export const MSM_NAME_LENGTH = 12;
/** The core image's header: this driver has a header of its own, so it is accepted and kept out of the table. */
const CORE_IMAGE = 'ELF';
/** The longest banner that is read. */
const MOST_BANNER = 512;

export interface MsmOptions extends QualcommOptions {
  readonly shape: MsmShape;
  /** CONFIG_MINIDUMP_MAX_ENTRIES + 1. */
  readonly slots: number;
  /** The header's region: `KELF_HDR`, on older kernels `KELF_HEADER`. */
  readonly headerName: string;
  /** How many of the first regions were added before the driver came up: on 5.10 and 5.15 they are in the table, not in the header. */
  readonly pending: number;
}

/** msm_minidump_add_region and msm_minidump_remove_region, with the driver's own refusals. */
export class MsmDriver {
  readonly #slots: number;
  readonly #fixed: number;
  readonly #entries: MsmRegionDescription[] = [];

  constructor(slots: number, shape: MsmShape) {
    this.#slots = slots;
    this.#fixed = msmFixedSections(shape);
  }

  get entries(): readonly MsmRegionDescription[] {
    return this.#entries;
  }

  /** The region's number, or why it is refused. */
  addRegion(entry: MsmRegionDescription): number | Refusal {
    if (entry.name.length > MSM_NAME_LENGTH || entry.vaddr === 0n || entry.size % 4 !== 0) {
      return {
        errno: 'EINVAL',
        message: `region ${entry.name}: a name of at most ${MSM_NAME_LENGTH} letters, an address and a size that is a multiple of 4 are needed`,
      };
    }
    if (this.#entries.length + 1 >= this.#slots) {
      return { errno: 'ENOMEM', message: `the minidump table is full: it has room for ${this.#slots - 1} regions` };
    }
    if (this.#fixed + this.#entries.length >= this.#slots) {
      // The driver's own check lets the last few pass; their section headers would overwrite its first program headers.
      return { errno: 'ENOMEM', message: `the header is full: it has room for ${this.#slots - this.#fixed} regions` };
    }
    if (this.#entries.some(({ name }) => name === entry.name)) {
      return { errno: 'EEXIST', message: `a region called ${entry.name} is already there` };
    }
    this.#entries.push(entry);
    return this.#entries.length - 1;
  }

  removeRegion(name: string): Refusal | null {
    const at = this.#entries.findIndex(entry => entry.name === name);
    if (at < 0) return { errno: 'ENOENT', message: `there is no region called ${name}` };
    this.#entries.splice(at, 1);
    return null;
  }
}

/** A registered region becomes a client of the driver: its name made one for a file, cut to what the driver takes and unique, its size rounded up. */
class QcomMsm implements Backend {
  readonly name = 'qcom-msm';
  readonly #options: MsmOptions;
  readonly #driver: MsmDriver;
  /** By ID and address of the registration. */
  readonly #names = new Map<string, string>();

  constructor(options: MsmOptions) {
    this.#options = options;
    this.#driver = new MsmDriver(options.slots, options.shape);
  }

  register(region: Region): Refusal | null {
    if (!this.#options.firmwareReady) {
      return { errno: 'ENAVAIL', message: 'the minidump table is not initialised by firmware' };
    }
    if (region.size <= 0) return { errno: 'EINVAL', message: `region ${region.name} has no size` };
    if (region.name === CORE_IMAGE) return null;
    const key = keyOf(region);
    if (this.#names.has(key)) {
      return { errno: 'EEXIST', message: `region ${region.name} (ID ${region.id}) is already there` };
    }
    const name = this.#clientName(region);
    const number = this.#driver.addRegion({
      name,
      vaddr: region.vaddr,
      paddr: region.paddr,
      size: alignUp(region.size, 4),
    });
    if (typeof number !== 'number') return number;
    this.#names.set(key, name);
    return null;
  }

  unregister(region: Region): Refusal | null {
    if (region.name === CORE_IMAGE) return null;
    const name = this.#names.get(keyOf(region));
    if (name === undefined) {
      return { errno: 'ENOENT', message: `region ${region.name} (ID ${region.id}) is not there` };
    }
    this.#names.delete(keyOf(region));
    return this.#driver.removeRegion(name);
  }

  #clientName({ name, id }: Region): string {
    // Clients choose names that make file names: `runqueues[0]` becomes `runqueues_0_`.
    const [, base = name, behind = ''] = /^(.+)(\+0x[0-9a-f]+)$/.exec(name) ?? [];
    const end = behind === '' ? '' : safeFileName(behind);
    const whole = name === '' ? `region${id}` : safeFileName(base);
    // A name is cut before its distance: without that it would be another region's.
    const cut = whole.slice(0, Math.max(0, MSM_NAME_LENGTH - end.length)) + end;
    if (!this.#driver.entries.some(entry => entry.name === cut)) return cut;
    const suffix = `_${id}`;
    return whole.slice(0, MSM_NAME_LENGTH - suffix.length) + suffix;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    if (!this.#options.firmwareReady) {
      issues.add('minidump-not-ready', 'the minidump table is not initialised by firmware: nothing is dumped');
      return [];
    }
    const { entries } = this.#driver;
    const header = encodeMsmHeader(this.#describe(kernel, entries.slice(this.#options.pending), issues));
    const memory = new OverlayMemory(kernel.memory, kernel.pageSize);
    const headerAt = memory.allocate(header.length);
    memory.write(headerAt, header);
    const records: RegionRecord[] = [record(this.#options.headerName, headerAt, header.length)];
    for (const { name, paddr, size } of entries) records.push(record(name, paddr, size));
    return runFirmware(memory, records, this.#options, out, issues);
  }

  #describe(kernel: TargetKernel, regions: readonly MsmRegionDescription[], issues: Issues): MsmDescription {
    return {
      bits: kernel.arch.bits,
      littleEndian: kernel.littleEndian,
      machine: kernel.arch.elfMachine,
      shape: this.#options.shape,
      slots: this.#options.slots,
      banner: readBanner(kernel, issues),
      tableAddress: kernel.symbol(MSM_TABLE)?.address ?? 0n,
      regions,
    };
  }
}

const keyOf = ({ id, paddr, size }: Region): string => `${id}:${paddr}:${size}`;

/** seq_num stays 0: names are unique. */
function record(name: string, address: number, size: number): RegionRecord {
  return { name, seqNum: 0, valid: MINIDUMP_MAGIC.VALI, address, size };
}

/** The kernel's banner; empty, with an issue, where it cannot be had. */
function readBanner(kernel: TargetKernel, issues: Issues): MsmDescription['banner'] {
  const symbol = kernel.symbol(MSM_BANNER);
  const paddr = symbol === null ? null : kernel.translate(symbol.address);
  if (symbol === null || paddr === null) {
    issues.add('missing-symbol', `the header has no banner: ${MSM_BANNER} is not known or cannot be translated`);
    return { text: new Uint8Array(0), vaddr: symbol?.address ?? 0n, paddr: paddr ?? 0 };
  }
  try {
    const text = new TextEncoder().encode(kernel.memory.text(paddr, MOST_BANNER));
    return { text, vaddr: symbol.address, paddr };
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('missing-memory', `the header has no banner: ${error.message}`, paddr);
    return { text: new Uint8Array(0), vaddr: symbol.address, paddr };
  }
}

export const openQcomMsm = (options: MsmOptions): Backend => new QcomMsm(options);
