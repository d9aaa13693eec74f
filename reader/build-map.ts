// Puts together the address map of a dump: what its segments claim, then the image and linear maps that VMCOREINFO tells of, each once known content was read through it.
import { AddressMap } from './address-map.js';
import type { AddressRange } from './address-range.js';
import type { Architecture, LinearRange, MapProbe } from './arch/arch.js';
import { Kallsyms } from './debuginfo/kallsyms/kallsyms.js';
import { tablesFromVmcoreinfo } from './debuginfo/kallsyms/tables.js';
import type { Attributes } from './dump/attributes.js';
import { type FaultReason, hex } from './fault.js';
import { NO_PADDR, type ProgramHeader } from './formats/elf.js';
import type { Vmcoreinfo } from './formats/vmcoreinfo.js';
import { Issues } from './issue.js';
import { claimsVirtual, linearTarget, MapProver } from './map-proof.js';
import type { PhysicalMemory } from './memory.js';
import { U64_MAX } from './u64.js';

export interface AddressMapParts {
  readonly physical: PhysicalMemory;
  /** PT_LOADs in file order; a p_paddr of NO_PADDR means that bytes are found by file offset. */
  readonly segments: readonly ProgramHeader[];
  /** The same file as memory by file offset, for cores without physical addresses. */
  readonly file?: PhysicalMemory;
  readonly arch: Architecture | null;
  readonly vmcoreinfo: Vmcoreinfo | null;
  readonly attributes: Attributes;
  readonly issues: Issues;
  /** What an address is that no range holds: `unregistered` in a region core. */
  readonly missing?: FaultReason;
}

const SPACE = U64_MAX + 1n;
const MOST_LENGTH = 2 ** 52;

export function buildAddressMap(parts: AddressMapParts): AddressMap {
  const claimed = segmentRanges(parts.segments, parts.file !== undefined);
  const { arch, vmcoreinfo } = parts;
  const ranges = [...claimed];
  if (arch !== null && vmcoreinfo !== null) {
    const prover = new MapProver(parts.physical, vmcoreinfo, parts.segments);
    const image = choose(parts, prover, 'image', arch.imageRanges(vmcoreinfo), null);
    if (image !== null) ranges.push(...toRange(image));
    const map = new AddressMap(parts.physical, ranges, parts.file ?? null);
    const linear = choose(
      parts,
      prover,
      'linear',
      arch.linearRanges(vmcoreinfo, probeOf(parts, vmcoreinfo, map)),
      image?.range ?? null,
    );
    if (linear !== null) ranges.push(...toRange({ ...linear, range: limited(linear.range, prover, vmcoreinfo) }));
  }
  if (claimed.length > 0) parts.attributes.set('map.segments', claimed.length, 'program headers');
  return new AddressMap(parts.physical, ranges, parts.file ?? null, parts.missing);
}

interface Chosen {
  readonly range: LinearRange;
  readonly by: string;
}

/** The first candidate that known content confirms; what the user says about its offset wins. Tells an issue where there are candidates and none is confirmed. */
function choose(
  parts: AddressMapParts,
  prover: MapProver,
  name: LinearRange['name'],
  candidates: Iterable<LinearRange>,
  image: LinearRange | null,
): Chosen | null {
  const said = parts.attributes.override(`map.${name}.offset`, 0n);
  let against = '';
  let first: LinearRange | null = null;
  for (const candidate of candidates) {
    first ??= candidate;
    if (said !== undefined) break;
    const proof = prover.prove(candidate, image);
    if (proof.by !== '') {
      const from = `VMCOREINFO, confirmed by ${proof.by}`;
      parts.attributes.set(`map.${name}.first`, candidate.first, from);
      parts.attributes.set(`map.${name}.last`, candidate.last, from);
      parts.attributes.set(`map.${name}.offset`, candidate.offset, from);
      return { range: candidate, by: proof.by };
    }
    if (against === '') against = proof.against;
  }
  if (first === null) return null;
  if (said !== undefined) {
    return { range: { ...first, offset: BigInt.asUintN(64, said) }, by: 'the user' };
  }
  const why = against === '' ? 'the dump lacks what would confirm it (init_uts_ns, kallsyms, mem_section)' : against;
  parts.issues.add('map-unconfirmed', `the ${name} map from ${hex(first.first)} on is not used: ${why}`, first.first);
  return null;
}

function probeOf(parts: AddressMapParts, vmcoreinfo: Vmcoreinfo, map: AddressMap): MapProbe {
  const { start, end } = parts.physical.bounds;
  return {
    memoryStart: start,
    memoryEnd: end,
    variable: name => {
      const address = vmcoreinfo.symbol(name) ?? kallsymsAddress(name, map, vmcoreinfo);
      if (address === null) return null;
      const at = map.locate(address, map.pointerSize);
      if (at < 0) return null;
      return map.pointerSize === 8
        ? map.view.getBigUint64(at, map.littleEndian)
        : BigInt(map.view.getUint32(at, map.littleEndian));
    },
  };
}

/** The range up to where the kernel's variable says that it ends, if it can be read. */
function limited(range: LinearRange, prover: MapProver, vmcoreinfo: Vmcoreinfo): LinearRange {
  const symbol = range.endVariable === undefined ? undefined : vmcoreinfo.symbol(range.endVariable);
  const end = symbol === undefined ? null : prover.word(range, symbol);
  return end !== null && end > range.first && end <= range.last ? { ...range, last: end - 1n } : range;
}

/** By the kernel's own symbol table, read through the image. */
function kallsymsAddress(name: string, map: AddressMap, vmcoreinfo: Vmcoreinfo): bigint | null {
  const unused = new Issues();
  const tables = tablesFromVmcoreinfo(map, vmcoreinfo, unused);
  const kallsyms = tables === null ? null : Kallsyms.open(map, tables, vmcoreinfo.symbol('_stext'), unused);
  return kallsyms?.resolve([name]).get(name)?.address ?? null;
}

/** Without addresses whose physical address would be negative or pass 2^53; none is left only of what the user said. */
function toRange({ range, by }: Chosen): AddressRange[] {
  const { name, partial = false } = range;
  let { first, last } = range;
  // A biased offset can lie above the range's start: the physical addresses then begin at 0 further up.
  if (linearTarget(range, first) < 0 && range.offset > first && range.offset <= last) first = range.offset;
  const target = linearTarget(range, first);
  const end = first + BigInt(MOST_LENGTH);
  if (last >= end) last = end - 1n;
  return target < 0 ? [] : [{ name, method: 'linear', first, last, target, confirmedBy: by, partial }];
}

/** What is in the file first, then what p_memsz claims beyond it, so that a claim never hides bytes. */
function segmentRanges(segments: readonly ProgramHeader[], byFile: boolean): AddressRange[] {
  const claims = segments.filter(segment => claimsVirtual(segment) && (byFile || segment.paddr !== NO_PADDR));
  const range = (segment: ProgramHeader, length: number): AddressRange | null => {
    const end = segment.vaddr + BigInt(Math.min(length, MOST_LENGTH));
    if (length <= 0) return null;
    const file = segment.paddr === NO_PADDR;
    return {
      name: 'segment',
      method: file ? 'file' : 'segment',
      first: segment.vaddr,
      last: end > SPACE ? U64_MAX : end - 1n,
      target: file ? segment.offset : segment.paddr,
      confirmedBy: '',
      partial: false,
    };
  };
  const present = claims.map(segment => range(segment, segment.filesz));
  const beyond = claims.map(segment =>
    segment.paddr !== NO_PADDR && segment.memsz > segment.filesz && segment.memsz <= MOST_LENGTH
      ? range(segment, segment.memsz)
      : null,
  );
  return [...present, ...beyond].filter(one => one !== null);
}
