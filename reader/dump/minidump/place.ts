// Where each blob belongs, decided once for all who ask: what has a place becomes memory, what has none is left out, and each region's state is told.
// A missing, short, long, doubled or unlisted blob never shifts another one.
import { architectureByElfMachine } from '../../arch/index.js';
import { hex, printable } from '../../fault.js';
import { type Note, NT_PRSTATUS } from '../../formats/notes.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { ByteSource } from '../../source.js';
import { agreedSize, MOST_REGION, registeredRoom } from './agree.js';
import { tieByContent } from './bare.js';
import { type Blob, head, isBanner, isVmcoreinfo, type Span, sameSize } from './blob.js';
import {
  architectureOf,
  checkContents,
  decodeVmcoreinfo,
  findVmcoreinfo,
  searchVmcoreinfo,
  type VmcoreinfoBlob,
} from './content.js';
import type { Faults } from './faults.js';
import { type HeaderSegment, type MinidumpHeader, readHeader } from './header.js';
import { looksLikeHeader } from './header-bytes.js';
import { judgeLeftovers } from './leftovers.js';
import { distances, type Match, matchByAddress } from './match.js';
import type { Medium } from './media.js';
import { compareOverlaps } from './overlaps.js';
import { memoryBlob } from './tables.js';

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

/** Headers that are read to find the right one: a KVA_DUMP is an ELF file too. */
const MOST_HEADERS = 64;

export function placeBlobs(medium: Medium, faults: Faults): Placement {
  const header = chooseHeader(medium, faults);
  const info = vmcoreinfoOf(medium, header, faults);
  const encrypted = encryptionOf(medium, header, info, faults);
  if (encrypted !== null) return encryptedPlacement(medium, encrypted, faults);
  return new Placer(medium, header, info, faults).place();
}

/** How many of a header's segments the medium has at their address with their size; without addresses, with their size. */
function agreement(header: MinidumpHeader, medium: Medium): number {
  const known = new Set<string>();
  for (const { paddr, listedSize, size } of medium.blobs) {
    const rounded = Math.ceil((listedSize ?? size) / 4);
    known.add(medium.hasAddresses ? `${paddr}` : `${rounded}`);
  }
  const key = ({ paddr, filesz }: HeaderSegment) => (medium.hasAddresses ? `${paddr}` : `${Math.ceil(filesz / 4)}`);
  return header.segments.filter(segment => !segment.inside && known.has(key(segment))).length;
}

/** The blob that is an ELF core header and agrees best with what the medium lists. A header of another dump is not used. */
function chooseHeader(medium: Medium, faults: Faults): MinidumpHeader | null {
  const candidates = medium.blobs.filter(blob => blob.source !== null && looksLikeHeader(blob)).slice(0, MOST_HEADERS);
  let best: { header: MinidumpHeader; found: Faults; score: number } | null = null;
  for (const blob of candidates) {
    const found = faults.fresh();
    const header = readHeader(whole(blob, medium), found);
    if (header === null) continue;
    const score = agreement(header, medium) + (blob.loose ? 0 : 0.5);
    if (best === null || score > best.score) best = { header, found, score };
  }
  if (best === null) {
    faults.add('no-header', 'no blob is an ELF core header: virtual addresses and notes are not known');
    return null;
  }
  const { header, found, score } = best;
  const payloads = header.segments.filter(({ inside }) => !inside).length;
  const listed = medium.blobs.filter(({ paddr, certain }) => paddr !== null && certain).length;
  if (medium.hasAddresses && listed > 3 && payloads > 1 && score * 2 < Math.min(payloads, listed)) {
    const what = `of its ${payloads} regions only ${Math.floor(score)} lie where the list has any`;
    faults.add('header-of-another-dump', `${header.blob.name} does not belong to these blobs: ${what}; it is not used`);
    return null;
  }
  faults.take(found);
  return header;
}

/** In memory a header can be read past the size that a damaged table gives it. */
function whole(blob: Blob, { memory }: Medium): Blob {
  if (memory === null || blob.paddr === null || !blob.certain) return blob;
  return {
    ...memoryBlob(memory, blob.paddr, Math.max(blob.size, 1 << 17), blob.name, {}),
    listedSize: blob.listedSize,
  };
}

function vmcoreinfoOf(medium: Medium, header: MinidumpHeader | null, faults: Faults): VmcoreinfoBlob | null {
  const usable = medium.blobs.filter(({ valid, certain }) => valid && certain);
  const found =
    findVmcoreinfo(usable, header, faults) ??
    findVmcoreinfo(
      medium.blobs.filter(({ valid }) => valid),
      header,
      faults,
    );
  if (found !== null || medium.memory === null || !faults.damaged) return found;
  const searched = searchVmcoreinfo(medium.memory, header);
  if (searched !== null)
    faults.add('vmcoreinfo-found', 'VMCOREINFO was found by searching memory: no table entry leads to it');
  return searched;
}

const HEADER_NAME = /^md_(?:[0-9a-f]{1,2}_)?K\d*ELF(?:_HDR|_HEADER)?\d*\.bin$/i;

/** Why the blobs cannot be read as they are, or null. */
function encryptionOf(
  medium: Medium,
  header: MinidumpHeader | null,
  info: VmcoreinfoBlob | null,
  faults: Faults,
): string | null {
  if (medium.memory !== null) {
    if (medium.encrypted !== null && header === null) return `${medium.encrypted}, and no header can be read`;
    if (medium.encrypted !== null)
      faults.note('encryption-required', `${medium.encrypted}; this memory is not encrypted`);
    return null;
  }
  if (medium.encrypted !== null) return medium.encrypted;
  if (header !== null || info !== null) return null;
  const named = medium.blobs.find(({ name, source, size }) => source !== null && size >= 64 && HEADER_NAME.test(name));
  if (named === undefined || medium.blobs.some(blob => isBanner(head(blob, 16)) || isVmcoreinfo(head(blob, 10))))
    return null;
  return `${named.name} has no ELF magic, and no blob begins with text that every minidump has`;
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

/** What kind of machine the dump is of: the header says, held against the size of its notes; without one, the kernel's uts name. */
function machineOf(medium: Medium, header: MinidumpHeader | null, faults: Faults) {
  const said = architectureOf(medium.blobs);
  if (header === null) {
    if (said === null) faults.add('no-machine', 'nothing tells the architecture: e_machine is 0');
    return { bits: said?.bits ?? 64, littleEndian: said?.littleEndian ?? true, machine: said?.elfMachine ?? 0 };
  }
  const { bits, littleEndian, machine, notes } = header;
  const known = architectureByElfMachine(machine);
  const status = notes.find(({ type }) => type === NT_PRSTATUS)?.descriptor.length;
  const fitsNotes = status === undefined || known === null || known.prstatus.size === status;
  const fitsClass = said?.bits === bits && (said.littleEndian ?? littleEndian) === littleEndian;
  if (said !== null && fitsClass && said !== known && !(known !== null && fitsNotes && status !== undefined)) {
    faults.header('e_machine', 18, machine, `the kernel's uts name says ${said.name}, which is taken`);
    return { bits, littleEndian, machine: said.elfMachine };
  }
  if (known === null) faults.note('machine', `e_machine is ${machine}, which is no architecture that is known here`);
  else if (!fitsNotes) {
    faults.header('e_machine', 18, machine, `NT_PRSTATUS of ${known.name} does not have ${status} bytes`);
  }
  return { bits, littleEndian, machine };
}

/** A segment while its place is worked out. */
interface Draft {
  readonly match: Match;
  readonly label: string;
  readonly size: number;
  status: RegionStatus;
  spans: readonly Span[];
  source: ByteSource | null;
  sourceOffset: number;
  sharesWith: number;
}

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
  #distances: Map<bigint, number> | undefined;
  #budget: number;

  constructor(medium: Medium, header: MinidumpHeader | null, info: VmcoreinfoBlob | null, faults: Faults) {
    this.#medium = medium;
    this.#header = header;
    this.#info = info;
    this.#faults = faults;
    this.#budget = 2 * medium.bytes + (1 << 20);
    this.#machine = machineOf(medium, header, faults);
    this.#fileOffset = header?.payloadOffset ?? null;
  }

  place(): Placement {
    const vmcoreinfo = this.#info === null ? null : decodeVmcoreinfo(this.#info.text);
    this.#placeRoles();
    const matches = this.#header === null ? [] : this.#match(this.#header, vmcoreinfo);
    const drafts = this.#draft(matches);
    this.#doubtSwapped(drafts);
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
      architecture: architectureByElfMachine(this.#machine.machine),
      used: this.#used,
      regions: this.#regions,
      segments: this.#segments,
      faults: this.#faults,
      spend: bytes => this.#spend(bytes),
    });
    compareOverlaps(this.#medium, this.#segments, this.#faults);
    return this.#finish(vmcoreinfo);
  }

  /** Takes `bytes` from what a core may have in all; false where a damaged list would make it many times its input. */
  #spend(bytes: number): boolean {
    if (bytes > this.#budget) return false;
    this.#budget -= bytes;
    return true;
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
    const matches = matchByAddress(header.segments, candidates, this.#used, this.#medium, this.#faults);
    const unaddressed = candidates.filter(({ paddr, loose, source }) => paddr === null && !loose && source !== null);
    if (unaddressed.length > 0) {
      const { doubtful } = tieByContent(matches, unaddressed, header, vmcoreinfo, this.#used);
      for (const { blob, why } of doubtful) if (blob !== this.#info?.blob) this.#leaveOut(blob, why);
    }
    if (this.#info?.blob != null) this.#addRole(this.#info.blob, 'vmcoreinfo', this.#info.status);
    checkContents(matches, header, vmcoreinfo, this.#faults);
    return matches;
  }

  #leaveOut(blob: Blob, why: string): void {
    this.#used.add(blob);
    this.#faults.add('doubtful', `${blob.name} is left out: ${why}`);
    this.#regions.push({ name: blob.name, paddr: blob.paddr, size: blob.size, status: 'doubtful', role: 'memory' });
  }

  /** Sizes and states of the header's segments. */
  #draft(matches: readonly Match[]): Draft[] {
    const drafts: Draft[] = [];
    const places = new Map<string, number>();
    for (const match of matches) {
      const { segment } = match;
      const label = match.blob?.name ?? segment.name ?? `the region at ${hex(segment.paddr)}`;
      const size = agreedSize(segment, match.blob, label, this.#faults);
      const draft: Draft = {
        match,
        label,
        size,
        status: 'missing',
        spans: [],
        source: null,
        sourceOffset: 0,
        sharesWith: -1,
      };
      const key = `${match.paddr}:${size}`;
      const earlier = places.get(key);
      if (earlier === undefined) places.set(key, drafts.length);
      if (segment.inside) this.#fillFromHeader(draft);
      else if (match.blob !== null) this.#fill(draft, match.blob);
      else if (earlier !== undefined && drafts[earlier].status !== 'missing') draft.sharesWith = earlier;
      else this.#fillWithoutBlob(draft);
      drafts.push(draft);
    }
    return drafts;
  }

  /** The banner of a downstream header. */
  #fillFromHeader(draft: Draft): void {
    const header = this.#header as MinidumpHeader;
    draft.status = 'ok';
    draft.source = header.blob.source;
    draft.sourceOffset = draft.match.segment.offset;
    draft.spans = [{ start: 0, end: draft.size }];
  }

  #fill(draft: Draft, blob: Blob): void {
    if (draft.match.doubt !== null) draft.status = 'doubtful';
    else if (!blob.valid) draft.status = 'invalid';
    else if (blob.source !== null) this.#fillFrom(draft, blob);
  }

  #fillFrom(draft: Draft, blob: Blob): void {
    const { size } = draft;
    const there = Math.min(size, blob.size);
    draft.spans = blob.spans(there);
    const bytes = draft.spans.reduce((sum, { start, end }) => sum + end - start, 0);
    if (!this.#spend(bytes)) {
      draft.status = 'doubtful';
      draft.spans = [];
      return;
    }
    draft.source = blob.source;
    if (bytes === 0 && size > 0) draft.status = blob.sizeIsMeasured ? 'short' : 'missing';
    else if (bytes < there || (there < size && !sameSize(blob.size, size))) draft.status = 'short';
    else
      draft.status =
        sameSize(blob.size, size) && sameSize(blob.listedSize ?? size, size) ? 'ok' : blob.size > size ? 'long' : 'ok';
  }

  /** Where no table was found, memory itself still has what the header tells of. */
  #fillWithoutBlob(draft: Draft): void {
    const { memory, tablesFound } = this.#medium;
    const { paddr, segment } = draft.match;
    if (memory === null || tablesFound || !Number.isSafeInteger(paddr) || paddr < 0) return;
    this.#fillFrom(draft, memoryBlob(memory, paddr, draft.size, segment.name ?? draft.label, {}));
  }

  /** Two files whose sizes are each other's were most likely renamed: neither is taken. */
  #doubtSwapped(drafts: readonly Draft[]): void {
    if (this.#medium.kind !== 'folder') return;
    const wrong = drafts.filter(
      ({ status, match }) => (status === 'short' || status === 'long') && match.blob !== null,
    );
    for (const draft of wrong) {
      const blob = draft.match.blob as Blob;
      const other = wrong.find(candidate => candidate !== draft && sameSize(candidate.size, blob.size));
      if (other === undefined || draft.size === blob.size) continue;
      draft.match.doubt = `${blob.name} has the size of ${other.label} (${blob.size} bytes instead of ${draft.size}): the two may be swapped`;
    }
    for (const draft of wrong) {
      if (draft.match.doubt === null) continue;
      draft.status = 'doubtful';
      draft.spans = [];
      draft.source = null;
      this.#faults.add('swapped', `${draft.match.doubt}; left out`, draft.match.paddr);
    }
  }

  /** @param indices of drafts in the list of segments */
  #addSegment(draft: Draft, drafts: readonly Draft[], indices: ReadonlyMap<number, number>): boolean {
    const { match, size, label } = draft;
    const { segment, paddr, blob } = match;
    const shared = draft.sharesWith >= 0 ? drafts[draft.sharesWith] : draft;
    const sane = Number.isSafeInteger(paddr) && paddr >= 0 && paddr + size <= MOST_REGION * 16 && size <= MOST_REGION;
    this.#tell(draft, shared.status, label);
    const name = blob?.name ?? shared.match.blob?.name ?? (segment.name === null ? null : `md_${segment.name}.BIN`);
    this.#regions.push({
      name: segment.inside ? segment.name : name,
      paddr: sane ? paddr : null,
      size,
      status: shared.status,
      role: 'memory',
    });
    const fileOffset = segment.inside ? segment.offset : this.#nextOffset(segment, size);
    if (!sane) {
      this.#faults.header(`p_paddr of program header ${segment.index}`, null, paddr, 'no memory lies there');
      return false;
    }
    this.#segments.push({
      vaddr: this.#vaddrOf(match, drafts),
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
      this.#faults.header(`p_offset of program header ${segment.index}`, null, segment.offset, why);
    }
    this.#fileOffset = at + registeredRoom(segment, size);
    return at;
  }

  /** p_vaddr; where the section says otherwise (downstream), whichever shares its distance to the physical address with other regions. */
  #vaddrOf({ segment, paddr }: Match, drafts: readonly Draft[]): bigint {
    const { vaddr, sectionAddr, inside } = segment;
    if (sectionAddr === null || sectionAddr === vaddr || inside) return vaddr;
    this.#distances ??= distances(drafts.map(({ match }) => match));
    const shared = (address: bigint) => (this.#distances?.get(BigInt.asUintN(64, address - BigInt(paddr))) ?? 0) >= 2;
    const better = shared(sectionAddr) && !shared(vaddr) ? sectionAddr : vaddr;
    const why = `its section says ${hex(sectionAddr)}; ${hex(better)} is used`;
    this.#faults.header(`p_vaddr of program header ${segment.index}`, null, vaddr, why);
    return better;
  }

  #tell({ size, match, spans, sharesWith }: Draft, status: RegionStatus, label: string): void {
    if (sharesWith >= 0 || match.doubt !== null) return;
    const { blob, paddr } = match;
    const at = Number.isSafeInteger(paddr) ? paddr : null;
    const where = `${label} (${size} bytes at ${hex(paddr)})`;
    const there = spans.reduce((sum, { start, end }) => sum + end - start, 0);
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
    if (status === 'doubtful')
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
