// Where each blob belongs, decided once for all who ask: what has a place becomes memory, what has none is left out, and each region's state is told.
// A missing, short, long, doubled or unlisted blob never shifts another one.
import { architectureByElfMachine } from '../../arch/index.js';
import { hex, printable } from '../../fault.js';
import { exactly } from '../../formats/elf.js';
import type { Note } from '../../formats/notes.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { ByteSource } from '../../source.js';
import { MOST_REGION, registeredRoom } from './agree.js';
import { mendBannerAddress } from './banner.js';
import { tieByContent } from './bare.js';
import { type Blob, regionWord, type Span } from './blob.js';
import { checkContents, decodeVmcoreinfo, type VmcoreinfoBlob } from './content.js';
import { Budget, type Draft, Drafter } from './draft.js';
import type { Faults } from './faults.js';
import type { HeaderSegment, MinidumpHeader } from './header.js';
import { judgeLeftovers } from './leftovers.js';
import { holdAgainstMaps } from './maps.js';
import { type Match, matchByAddress } from './match.js';
import type { Medium } from './media.js';
import { compareOverlaps } from './overlaps.js';
import { chooseHeader, encryptionOf, machineOf, vmcoreinfoOf } from './roles.js';

/**
 * `ok`; `missing`; `short` and `long` (against the registered size); `duplicate` (the same bytes a second time); `unlisted` (dumped, but not in the header);
 * `invalid` (the table says that it is not to be dumped); `encrypted`; `doubtful` (nothing ties the blob to one place: left out).
 */
export type RegionStatus =
  | 'ok'
  | 'missing'
  | 'short'
  | 'long'
  | 'duplicate'
  | 'unlisted'
  | 'invalid'
  | 'encrypted'
  | 'doubtful';

export interface PlacedRegion {
  /** The blob's name, or null where only the header tells of the region. */
  readonly name: string | null;
  readonly paddr: number | null;
  /** As registered, in bytes; of a blob without a place, its own size. */
  readonly size: number;
  readonly status: RegionStatus;
  /** `header` and `vmcoreinfo` are not memory of the core. */
  readonly role: 'memory' | 'header' | 'vmcoreinfo';
}

/** A stretch of memory with a place. */
export interface PlacedSegment {
  /** The region's name: of its section, else of its blob (`Kprb22` for `md_Kprb22.BIN`); null where neither has one. */
  readonly name: string | null;
  /** Null where nobody tells it. */
  readonly vaddr: bigint | null;
  readonly paddr: number;
  /** As registered. */
  readonly size: number;
  readonly flags: number;
  readonly align: number;
  /** Where the registered layout has its payload in the file; null where that cannot be told, and for what the header does not list. */
  readonly fileOffset: number | null;
  readonly source: ByteSource | null;
  /** Where in `source` the segment begins. */
  readonly sourceOffset: number;
  /** What of it is there. */
  readonly spans: readonly Span[];
  /** Index of an earlier segment with the same bytes under another virtual address, or -1. */
  readonly sharesWith: number;
  /** False for what the header does not list. */
  readonly registered: boolean;
}

export interface Placement {
  readonly medium: Medium;
  readonly header: MinidumpHeader | null;
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  /** e_machine; 0 where nothing tells it. */
  readonly machine: number;
  readonly regions: readonly PlacedRegion[];
  /** Header order, then what it does not list by address. */
  readonly segments: readonly PlacedSegment[];
  /** VMCOREINFO's bytes without padding, or null. */
  readonly vmcoreinfoText: Uint8Array | null;
  readonly vmcoreinfo: Vmcoreinfo | null;
  /** CPU notes of the header, without VMCOREINFO. */
  readonly notes: readonly Note[];
  /** Why blobs are encrypted and nothing was placed, or null. */
  readonly encrypted: string | null;
  readonly faults: Faults;
}

export function placeBlobs(medium: Medium, faults: Faults): Placement {
  const header = chooseHeader(medium, faults);
  const info = vmcoreinfoOf(medium, header, faults);
  const encrypted = encryptionOf(medium, header, info, faults);
  if (encrypted !== null) return encryptedPlacement(medium, encrypted, faults);
  return new Placer(medium, header, info, faults).place();
}

/** Names are matched as they are, and told as a terminal can take them. */
const withPrintableName = (region: PlacedRegion): PlacedRegion => ({
  ...region,
  name: region.name === null ? null : printable(region.name),
});

function encryptedPlacement(medium: Medium, why: string, faults: Faults): Placement {
  faults.add(
    'encrypted',
    `the blobs of ${medium.name} are encrypted: ${why}. Nothing can be assembled from them without their keys`,
  );
  const regions = medium.blobs.map(
    ({ name, paddr, listedSize, size }): PlacedRegion => ({
      name: printable(name),
      paddr,
      size: listedSize ?? size,
      status: 'encrypted',
      role: 'memory',
    }),
  );
  return {
    medium,
    header: null,
    bits: 64,
    littleEndian: true,
    machine: 0,
    regions,
    segments: [],
    vmcoreinfoText: null,
    vmcoreinfo: null,
    notes: [],
    encrypted: why,
    faults,
  };
}

/** How many bytes are there. */
const bytesThere = ({ spans }: Pick<Draft, 'spans'>): number =>
  spans.reduce((sum, { start, end }) => sum + end - start, 0);

class Placer {
  readonly #medium: Medium;
  readonly #header: MinidumpHeader | null;
  readonly #info: VmcoreinfoBlob | null;
  readonly #faults: Faults;
  readonly #used = new Set<Blob>();
  readonly #regions: PlacedRegion[] = [];
  readonly #segments: PlacedSegment[] = [];
  readonly #machine: { readonly bits: 32 | 64; readonly littleEndian: boolean; readonly machine: number };
  /** Where the registered layout has the next payload. */
  #fileOffset: number | null;

  constructor(medium: Medium, header: MinidumpHeader | null, info: VmcoreinfoBlob | null, faults: Faults) {
    this.#medium = medium;
    this.#header = header;
    this.#info = info;
    this.#faults = faults;
    this.#machine = machineOf(medium, header, faults);
    this.#fileOffset = header?.payloadOffset ?? null;
  }

  place(): Placement {
    const vmcoreinfo = this.#info === null ? null : decodeVmcoreinfo(this.#info.text);
    this.#placeRoles();
    const matches = this.#header === null ? [] : this.#match(this.#header, vmcoreinfo);
    const budget = new Budget(this.#medium);
    const drafts =
      this.#header === null ? [] : new Drafter(this.#medium, this.#header, budget, this.#faults).draft(matches);
    const indices = new Map<number, number>();
    drafts.forEach((draft, i) => {
      const index = this.#segments.length;
      if (this.#addSegment(draft, drafts, indices)) indices.set(i, index);
    });
    judgeLeftovers({
      medium: this.#medium,
      header: this.#header,
      info: this.#info,
      vmcoreinfo,
      matches,
      architecture: architectureByElfMachine(this.#machine.machine),
      used: this.#used,
      regions: this.#regions,
      segments: this.#segments,
      faults: this.#faults,
      budget,
    });
    compareOverlaps(this.#medium, this.#segments, this.#faults);
    return this.#finish(vmcoreinfo);
  }

  /** A row for a blob that is not memory of the core. */
  #addRole(blob: Blob, role: 'header' | 'vmcoreinfo', status: RegionStatus): void {
    if (this.#used.has(blob)) return;
    this.#used.add(blob);
    const { name, paddr, listedSize, size } = blob;
    this.#regions.push({ name, paddr, size: listedSize ?? size, status, role });
  }

  #placeRoles(): void {
    const header = this.#header;
    if (header !== null) {
      const own = this.#medium.blobs.find(
        ({ name, paddr }) => name === header.blob.name && paddr === header.blob.paddr,
      );
      this.#addRole(own ?? header.blob, 'header', 'ok');
    }
    // Downstream it is a region like any other, if it was registered: its place decides.
    if (this.#info?.blob != null && header?.style !== 'downstream') {
      this.#addRole(this.#info.blob, 'vmcoreinfo', this.#info.status);
    } else if (header?.vmcoreinfoSize != null && this.#info === null) this.#missingVmcoreinfo(header.vmcoreinfoSize);
  }

  #missingVmcoreinfo(size: number): void {
    const named = this.#medium.blobs.find(({ name }) => /^md_K\d*vmcorein/i.test(name));
    if (named !== undefined && (named.source === null || named.size === 0)) this.#used.add(named);
    this.#faults.add(
      'no-vmcoreinfo',
      `no blob is VMCOREINFO, of which the header's note has ${size} bytes: the core has none`,
    );
    const status = named?.valid === false ? 'invalid' : 'missing';
    this.#regions.push({ name: named?.name ?? null, paddr: named?.paddr ?? null, size, status, role: 'vmcoreinfo' });
  }

  #match(header: MinidumpHeader, vmcoreinfo: Vmcoreinfo | null): Match[] {
    const { blobs } = this.#medium;
    const candidates = blobs.filter(blob => !this.#used.has(blob));
    const { matches, leftOut } = matchByAddress(header.segments, candidates, this.#used, this.#medium, this.#faults);
    for (const { blob, why } of leftOut) this.#leaveOut(blob, why);
    const unaddressed = candidates.filter(({ paddr, loose, source }) => paddr === null && !loose && source !== null);
    if (unaddressed.length > 0) {
      const { doubtful } = tieByContent(matches, unaddressed, header, vmcoreinfo, this.#used);
      for (const { blob, why } of doubtful) if (blob !== this.#info?.blob) this.#leaveOut(blob, why);
    }
    if (this.#info?.blob != null) this.#addRole(this.#info.blob, 'vmcoreinfo', this.#info.status);
    mendBannerAddress(matches, this.#faults);
    holdAgainstMaps(matches, architectureByElfMachine(this.#machine.machine), vmcoreinfo, this.#faults);
    checkContents(matches, header, vmcoreinfo, this.#faults);
    return matches;
  }

  #leaveOut(blob: Blob, why: string): void {
    this.#used.add(blob);
    this.#faults.add('doubtful', `${blob.name} is left out: ${why}`);
    this.#regions.push({ name: blob.name, paddr: blob.paddr, size: blob.size, status: 'doubtful', role: 'memory' });
  }

  /** @param indices of drafts in the list of segments */
  #addSegment(draft: Draft, drafts: readonly Draft[], indices: ReadonlyMap<number, number>): boolean {
    const { match, size, label } = draft;
    const { segment, paddr, blob } = match;
    const shared = draft.sharesWith >= 0 ? drafts[draft.sharesWith] : draft;
    const sane = Number.isSafeInteger(paddr) && paddr >= 0 && paddr + size <= MOST_REGION * 16 && size <= MOST_REGION;
    const status = sane || bytesThere(shared) === 0 ? shared.status : 'doubtful';
    this.#tell(draft, status, label);
    const name = blob?.name ?? shared.match.blob?.name ?? (segment.name === null ? null : `md_${segment.name}.BIN`);
    this.#regions.push({
      name: segment.inside ? segment.name : name,
      paddr: sane ? paddr : null,
      size,
      status,
      role: 'memory',
    });
    const fileOffset = segment.inside ? segment.offset : this.#nextOffset(segment, size);
    if (!sane) {
      const left = status === 'doubtful' ? `; ${label} is left out` : '';
      const said = paddr === segment.paddr ? exactly(segment, 'paddr') : paddr;
      this.#faults.header(`p_paddr of program header ${segment.index}`, null, said, `no memory lies there${left}`);
      return false;
    }
    this.#segments.push({
      name: segment.name ?? regionWord(blob?.name ?? shared.match.blob?.name ?? ''),
      vaddr: match.vaddr,
      paddr,
      size,
      flags: segment.flags,
      align: segment.align,
      fileOffset,
      source: shared.source,
      sourceOffset: shared.sourceOffset,
      spans: shared.spans,
      sharesWith: indices.get(draft.sharesWith) ?? -1,
      registered: true,
    });
    return true;
  }

  /** Payloads follow one another as p_filesz says; a p_offset that says otherwise is damaged. */
  #nextOffset(segment: HeaderSegment, size: number): number | null {
    const at = this.#fileOffset;
    if (at === null) return null;
    if (segment.offset !== at) {
      const why = `the payloads before it end at ${hex(at)}`;
      this.#faults.header(`p_offset of program header ${segment.index}`, null, exactly(segment, 'offset'), why);
    } else if (segment.sectionOffset !== null && segment.sectionOffset !== at) {
      const why = `p_offset and the payloads before it say ${hex(at)}`;
      this.#faults.header(`sh_offset for program header ${segment.index}`, null, segment.sectionOffset, why);
    }
    this.#fileOffset = at + registeredRoom(segment, size);
    return at;
  }

  #tell({ size, match, spans, sharesWith }: Draft, status: RegionStatus, label: string): void {
    if (sharesWith >= 0 || match.doubt !== null) return;
    const { blob, paddr } = match;
    const at = Number.isSafeInteger(paddr) ? paddr : null;
    const where = `${label} (${size} bytes at ${hex(paddr)})`;
    const there = bytesThere({ spans });
    if (status === 'missing') this.#faults.add('missing', `${where} is missing: its place stays a hole`, at);
    if (status === 'invalid')
      this.#faults.add('invalid', `${where} is not marked valid in its table: it was not dumped`, at);
    if (status === 'short') this.#faults.add('short', `${where} is short: ${there} bytes are there`, at);
    if (status === 'long')
      this.#faults.add(
        'long',
        `${where} is long: what follows its first ${size} of ${blob?.size} bytes is left out`,
        at,
      );
    if (status === 'doubtful' && there === 0)
      this.#faults.add('doubtful', `${where} is left out: the regions overlap far more than memory can hold`, at);
  }

  #finish(vmcoreinfo: Vmcoreinfo | null): Placement {
    return {
      medium: this.#medium,
      header: this.#header,
      ...this.#machine,
      regions: this.#regions.map(withPrintableName),
      segments: this.#segments,
      vmcoreinfoText: this.#info?.text ?? null,
      vmcoreinfo,
      notes: this.#header?.notes ?? [],
      encrypted: null,
      faults: this.#faults,
    };
  }
}
