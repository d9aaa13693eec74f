// From an open dump to the headers of an output: word size and byte order, what the input's own headers said, notes, address maps.
import type { AddressRange, Dump, Issues } from 'kdumpling/reader';
import type { PageCompressor } from 'kdumpling/reader/codecs';
import { NT_PRSTATUS } from 'kdumpling/reader/formats/notes';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { elfNotes, kdumpNotes } from './output-notes.js';
import type { DumpPlan } from './plan.js';
import { utsnameOf } from './utsname.js';
import type { ElfDescription } from './writers/elf.js';
import type { KdumpDescription } from './writers/kdump.js';

const MOST_32 = 2 ** 32;

export function describeElf(
  dump: Dump,
  plan: DumpPlan,
  image: ImageBounds | undefined,
  issues: Issues,
): ElfDescription {
  const { container, arch } = dump;
  const fits = plan.endPfn * plan.pageSize <= MOST_32 && plan.presentBytes < MOST_32;
  const bits = container.format === 'elf' ? container.bits : (arch?.bits ?? container.bits);
  return {
    bits: fits ? bits : 64,
    littleEndian: container.littleEndian,
    machine: number(dump, 'elf.machine', arch?.elfMachine ?? 0),
    osabi: number(dump, 'elf.osabi', 0),
    flags: number(dump, 'elf.flags', 0),
    entry: whole(dump, 'elf.entry', 0n),
    notes: elfNotes(dump, container.littleEndian, issues),
    segments: dump.segments,
    maps: () => dump.virtual.ranges.map(range => cutImage(range, dump, image)),
    virtual: () => dump.virtual,
  };
}

export interface ImageBounds {
  readonly first: bigint;
  readonly last: bigint;
}

/** The image map of some architectures goes as far as the kernel may; a core claims no more of it than is known to be image. */
function cutImage(range: AddressRange, { vmcoreinfo, pageSize }: Dump, image: ImageBounds | undefined): AddressRange {
  if (range.name !== 'image') return range;
  const inPage = BigInt(pageSize - 1);
  const start = (image?.first ?? vmcoreinfo?.symbol('_stext') ?? range.first) & ~inPage;
  const end = (image?.last ?? highestSymbol(vmcoreinfo, range)) | inPage;
  const first = start > range.first && start < range.last ? start : range.first;
  const last = end > first && end < range.last ? end : range.last;
  return { ...range, first, last, target: range.target + Number(first - range.first) };
}

function highestSymbol(vmcoreinfo: Vmcoreinfo | null, range: AddressRange): bigint {
  let highest = range.first;
  for (const key of vmcoreinfo?.lines.keys() ?? []) {
    const name = /^SYMBOL\((.*)\)$/.exec(key)?.[1];
    const address = name === undefined ? undefined : vmcoreinfo?.symbol(name);
    if (address !== undefined && address > highest && address <= range.last) highest = address;
  }
  return highest;
}

export function describeKdump(
  dump: Dump,
  plan: DumpPlan,
  compressor: PageCompressor | null,
  flag: number,
  issues: Issues,
): KdumpDescription {
  const { container, arch } = dump;
  const cpus = dump.notes.filter(note => note.type === NT_PRSTATUS && note.name === 'CORE').length;
  return {
    bits: container.format === 'kdump' ? container.bits : (arch?.bits ?? container.bits),
    littleEndian: container.littleEndian,
    padded: arch?.alignsU64 ?? false,
    utsname: utsnameOf(dump),
    seconds: whole(dump, 'kdump.timestamp.seconds', 0n),
    microseconds: whole(dump, 'kdump.timestamp.microseconds', 0n),
    physBase: physBaseOf(dump, plan),
    dumpLevel: number(dump, 'kdump.dump_level', 0),
    currentCpu: number(dump, 'kdump.current_cpu', 0),
    cpus: number(dump, 'kdump.nr_cpus', cpus),
    notes: kdumpNotes(dump, plan, container.littleEndian, issues),
    eraseinfo: dump.eraseinfo,
    compressor,
    flag,
  };
}

/** What crash takes for the place of memory: each architecture's own number, under the name that its VMCOREINFO has for it. */
function physBaseOf(dump: Dump, plan: DumpPlan): bigint {
  for (const name of ['phys_base', 'PHYS_OFFSET', 'phys_ram_base']) {
    const value = dump.vmcoreinfo?.number(name);
    if (value !== undefined) return value;
  }
  const start = dump.arch?.physBaseIsMemoryStart === true ? (plan.present.starts[0] ?? 0) : 0;
  return whole(dump, 'kdump.phys_base', BigInt(start));
}

/** A number of the dump's attributes, or what the user says of the output's header; 64-bit ones keep all their bits. */
function whole(dump: Dump, key: string, otherwise: bigint): bigint {
  const value = dump.attributes.override(key, otherwise) ?? dump.attributes.get(key)?.value;
  return typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : otherwise;
}

const number = (dump: Dump, key: string, otherwise: number): number => Number(whole(dump, key, BigInt(otherwise)));
