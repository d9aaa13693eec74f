// What contents tell about places: VMCOREINFO and its release, and the few regions whose bytes can be checked against it. They find what belongs to another kernel
// or another region although its size fits. Source: kernel/vmcore_info.c, init/version-timestamp.c, kernel/printk/printk.c (6.x).
import { type Architecture, architectureByName } from '../../arch/index.js';
import { fixedText } from '../../cursor.js';
import { hex } from '../../fault.js';
import { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { PhysicalMemory } from '../../memory.js';
import { isNamedAfter, TELLING_SYMBOLS } from './bare.js';
import { type Blob, head, isBanner, isVmcoreinfo, sameSize } from './blob.js';
import type { Faults } from './faults.js';
import type { MinidumpHeader } from './header.js';
import { distances, type Match } from './match.js';
import { bytesUpTo, scanPages } from './smem.js';

/** VMCOREINFO is one page of at most 64 KiB. */
export const MOST_VMCOREINFO = 1 << 16;

export interface VmcoreinfoBlob {
  readonly blob: Blob | null;
  /** The text's bytes, without the NULs that pad it. */
  readonly text: Uint8Array;
  readonly status: 'ok' | 'short' | 'long';
}

/** Of the blobs that begin like VMCOREINFO the one with the size that the header's note has, if any; listed ones go before loose ones. */
export function findVmcoreinfo(
  blobs: readonly Blob[],
  header: MinidumpHeader | null,
  faults: Faults,
): VmcoreinfoBlob | null {
  const room = header?.vmcoreinfoSize ?? null;
  const candidates = blobs.filter(blob => blob.source !== null && isVmcoreinfo(head(blob, 10)));
  const rank = (blob: Blob) => (blob.loose ? 2 : 0) + (room === null || sameSize(blob.size, room) ? 0 : 1);
  const blob = candidates.toSorted((a, b) => rank(a) - rank(b))[0];
  if (blob === undefined) return null;
  const bytes = head(blob, Math.min(MOST_VMCOREINFO, room ?? MOST_VMCOREINFO));
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  let status: VmcoreinfoBlob['status'] = 'ok';
  if (room !== null && !sameSize(blob.size, room)) {
    status = blob.size < room ? 'short' : 'long';
    faults.add(
      'vmcoreinfo-size',
      `${blob.name} has ${blob.size} bytes, but the header's note leaves ${room} for VMCOREINFO: it may be damaged or of another dump`,
    );
  } else if (blob.listedSize !== null && blob.sizeIsMeasured && !sameSize(blob.listedSize, blob.size)) {
    if (room === null) status = blob.size < blob.listedSize ? 'short' : 'long';
    faults.table(blob.from, `size of ${blob.name}`, null, blob.listedSize, `it has ${blob.size} bytes`);
  } else if (blob.listedSize !== null && blob.size < blob.listedSize) {
    status = 'short';
  }
  return { blob, text, status };
}

/** VMCOREINFO in memory whose tables do not lead to it: it begins a page. Only a single text is taken. */
export function searchVmcoreinfo(memory: PhysicalMemory, header: MinidumpHeader | null): VmcoreinfoBlob | null {
  const texts = new Map<string, Uint8Array>();
  const room = header?.vmcoreinfoSize ?? 4096;
  let tried = 0;
  scanPages(memory, ['OSRE'], paddr => {
    const bytes = bytesUpTo(memory, paddr, Math.min(room, MOST_VMCOREINFO));
    if (isVmcoreinfo(bytes)) {
      const text = fixedText(bytes);
      if (/\nPAGESIZE=\d+\n/.test(text)) texts.set(text, bytes.subarray(0, text.length));
    }
    return ++tried < 64;
  });
  const [only, second] = [...texts.values()];
  return only === undefined || second !== undefined ? null : { blob: null, text: only, status: 'ok' };
}

export const decodeVmcoreinfo = (text: Uint8Array): Vmcoreinfo => Vmcoreinfo.decode(text);

/** Fields of struct new_utsname are this long; `machine` is the fifth. */
const UTS_FIELD = 65;

/** The architecture that the kernel says it is for, in a region that holds its uts name; null where there is none. */
export function architectureOf(blobs: readonly Blob[]): Architecture | null {
  for (const blob of blobs) {
    if (blob.size < 5 * UTS_FIELD || blob.size > 8192) continue;
    const text = new TextDecoder('latin1').decode(head(blob, 6 * UTS_FIELD + 64));
    const at = text.indexOf('Linux\0');
    if (at < 0 || at > 64) continue;
    const machine = text.slice(at + 4 * UTS_FIELD, at + 5 * UTS_FIELD);
    const found = architectureByName(machine.slice(0, Math.max(0, machine.indexOf('\0'))));
    if (found !== null) return found;
  }
  return null;
}

/** prb and the ring buffers are objects of one image, which is not larger. */
const MOST_IMAGE = 1n << 30n;

/** A region whose content can be told from others' of its size. */
interface Telling {
  readonly symbol: string;
  readonly holds: (blob: Blob) => boolean;
  readonly what: string;
}

/** Leaves out regions whose content cannot be that of the place their size fits, and tells what is of another kernel. */
export function checkContents(
  matches: readonly Match[],
  header: MinidumpHeader,
  info: Vmcoreinfo | null,
  faults: Faults,
): void {
  if (info === null) return;
  for (const telling of tellingRegions(header, info)) checkTelling(matches, telling, info, faults);
  checkSymbols(matches, info, faults);
  for (const { blob } of matches) {
    if (blob !== null && blob.source !== null && isBanner(head(blob, 16))) checkBanner(blob, info, faults);
  }
}

/** A region named after a symbol lies where VMCOREINFO has that symbol, unless its virtual address is of a map that other regions share (series that register linear addresses). */
function checkSymbols(matches: readonly Match[], info: Vmcoreinfo, faults: Faults): void {
  let known: ReadonlyMap<bigint, number> | null = null;
  for (const symbol of TELLING_SYMBOLS) {
    const address = info.symbol(symbol);
    if (address === undefined) continue;
    const named = matches.filter(({ blob }) => blob !== null && isNamedAfter(blob, symbol));
    if (named.length !== 1) continue;
    const [match] = named;
    const { segment, blob, paddr } = match;
    const into = address - segment.vaddr;
    if (into >= 0n && into < BigInt(segment.filesz)) continue;
    known ??= distances(matches);
    const shared = (vaddr: bigint) => known?.get(BigInt.asUintN(64, vaddr - BigInt(Math.trunc(paddr)))) ?? 0;
    if (shared(segment.vaddr) >= 2) continue;
    match.vaddr = shared(address) > 0 ? address : null;
    const why = `${blob?.name} holds ${symbol}, which VMCOREINFO has at ${hex(address)}`;
    faults.header(`p_vaddr of program header ${segment.index}`, null, segment.vaddr, why);
  }
}

function tellingRegions({ bits, littleEndian }: MinidumpHeader, info: Vmcoreinfo): Telling[] {
  const prb = info.symbol('prb');
  const telling: Telling[] = [];
  if (info.release !== undefined) {
    const { release } = info;
    const holds = (blob: Blob) => new TextDecoder('latin1').decode(head(blob, 4096)).includes(`${release}\0`);
    telling.push({ symbol: 'init_uts_ns', holds, what: `the release ${release} of VMCOREINFO` });
  }
  if (prb !== undefined) {
    const holds = (blob: Blob) => {
      const bytes = head(blob, bits / 8);
      if (bytes.length < bits / 8) return false;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const target = bits === 64 ? view.getBigUint64(0, littleEndian) : BigInt(view.getUint32(0, littleEndian));
      return (target > prb ? target - prb : prb - target) < MOST_IMAGE;
    };
    telling.push({ symbol: 'prb', holds, what: 'the address of a ring buffer' });
  }
  return telling;
}

/** Where the region does not hold what it has to and another of its size does, the two were exchanged. */
function checkTelling(
  matches: readonly Match[],
  { symbol, holds, what }: Telling,
  info: Vmcoreinfo,
  faults: Faults,
): void {
  const address = info.symbol(symbol);
  const own = matches.find(({ segment }) => segment.vaddr === address);
  if (own?.blob?.source == null || own.doubt !== null || !isWhole(own) || holds(own.blob)) return;
  doubt(own, `${own.blob.name} lies at the address of ${symbol}, but does not have ${what}`, faults);
  for (const other of matches) {
    if (other === own || other.blob?.source == null || other.doubt !== null) continue;
    if (!sameSize(other.blob.size, own.blob.size) || !holds(other.blob)) continue;
    doubt(other, `${other.blob.name} has ${what}, which ${own.blob.name} should have: the two may be swapped`, faults);
  }
}

const isWhole = ({ segment, blob }: Match): boolean => blob !== null && sameSize(blob.size, segment.filesz);

function doubt(match: Match, why: string, faults: Faults): void {
  match.doubt = why;
  faults.add('content-disagrees', `${why}; left out`, match.paddr);
}

function checkBanner(blob: Blob, info: Vmcoreinfo, faults: Faults): void {
  const text = fixedText(head(blob, 256));
  if (info.release === undefined || text.startsWith(`Linux version ${info.release} `)) return;
  faults.add(
    'release-differs',
    `${blob.name} is the banner of another kernel than VMCOREINFO's (${info.release}): ${JSON.stringify(text.slice(0, 80))}`,
  );
}
