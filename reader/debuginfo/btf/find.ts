// Finds BTF in a dump: where the kernel's symbols say, else by its magic number in the running kernel's image. Source: include/asm-generic/vmlinux.lds.h (__start_BTF, 5.2), kernel/bpf/btf.c.
import { AddressMap } from '../../address-map.js';
import { MemoryFault } from '../../fault.js';
import { BTF_MAGIC, BTF_VERSION, type BtfHeader, btfHeaderFault, decodeBtfHeader } from '../../formats/btf.js';
import { Issues } from '../../issue.js';
import type { PhysicalMemory, VirtualMemory } from '../../memory.js';
import type { SymbolSpace } from '../open-symbols.js';
import type { Symbols } from '../symbols.js';
import { BtfTypes } from './btf-types.js';
import { BtfRecords } from './records.js';
import { HEADER_READ, readBtfSections, type SectionReader } from './sections.js';

const NAME = 'BTF of the kernel';
const START = '__start_BTF';
const STOP = '__stop_BTF';
const READ_ONLY = '__start_rodata';
/** How far an image reaches behind its start. */
const MOST_IMAGE = 256 << 20;
/** How far from the text's end BTF may begin. */
const MOST_READ_ONLY = 64 << 20;
const MOST_SCANNED = 2 ** 30;
/** What is searched at a time. */
const PIECE = 4 << 20;
/** Every dump has some false headers: each module's struct btf holds one. */
const MOST_FOUND = 4096;
/** Bytes of all that is tried. */
const MOST_READ = 256 << 20;
/** What is read where a longer read failed. */
const STEP = 4096;

/**
 * The types of the running kernel; null with an issue if they are not in the dump.
 * @param needed false where types are known without it: then only symbols are asked, and nothing is told
 */
export function btfOfDump(space: SymbolSpace, symbols: Symbols, issues: Issues, needed = true): BtfTypes | null {
  const found = symbols.resolve([START, STOP, READ_ONLY]);
  const start = found.get(START)?.address;
  const stop = found.get(STOP)?.address;
  if (start !== undefined && stop !== undefined && start < stop) {
    const types = btfAt(space.virtual, start, Number(stop - start), issues);
    if (types !== null) return types;
  }
  // Symbols that know where read-only data begins would know of BTF in it.
  const types = needed && (start !== undefined || !found.has(READ_ONLY)) ? btfByScan(space, symbols, issues) : null;
  if (types === null && needed) issues.add('no-btf', 'the dump has no BTF: types are unknown without a vmlinux');
  return types;
}

/** BTF at an address, `size` bytes of it at most; null with an issue if there is none. */
export function btfAt(memory: VirtualMemory, address: bigint, size: number, issues: Issues): BtfTypes | null {
  const at = memory.locate(address, HEADER_READ);
  const header = at < 0 ? null : decodeBtfHeader(memory.arena.subarray(at, at + HEADER_READ));
  if (header === null || btfHeaderFault(header) !== null || sizeOf(header) > size) {
    issues.add('btf-unreadable', `where the kernel has its BTF there is no header of it`, address);
    return null;
  }
  const sections = readBtfSections(header, readerOf(memory, address), issues, NAME);
  return BtfTypes.open(sections, { pointerSize: memory.pointerSize, issues });
}

function sizeOf({ hdrLen, typeOff, typeLen, strOff, strLen }: BtfHeader): number {
  return hdrLen + Math.max(typeOff + typeLen, strOff + strLen);
}

/** Reads from an address on, as far as memory is there. */
export function readerOf(memory: VirtualMemory, address: bigint): SectionReader {
  return (offset, into) => {
    const from = address + BigInt(offset);
    try {
      memory.read(from, into);
      return into.length;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
    }
    const end = readable(memory, from, into.length);
    if (end > 0) memory.read(from, into.subarray(0, end));
    return end;
  };
}

/** How many bytes from `address` on can be read, up to `length`. */
function readable(memory: VirtualMemory, address: bigint, length: number): number {
  let done = 0;
  while (done < length) {
    const part = Math.min(length - done, STEP - Number((address + BigInt(done)) & BigInt(STEP - 1)));
    if (memory.locate(address + BigInt(done), part) < 0) break;
    done += part;
  }
  return done;
}

/** Where the running kernel's BTF can be in physical memory. */
interface ImagePlace {
  readonly from: number;
  readonly to: number;
  /** False where the image is not known: all memory is searched. */
  readonly known: boolean;
}

/** Read-only data, BTF among it, follows the text (RO_DATA of include/asm-generic/vmlinux.lds.h). */
function imagePlace(space: SymbolSpace, symbols: Symbols): ImagePlace {
  const found = symbols.resolve(['_stext', '_etext', '_end']);
  const stext = found.get('_stext')?.address ?? space.vmcoreinfo?.symbol('_stext');
  const text = stext === undefined ? -1 : space.virtual.translate(stext);
  if (stext === undefined || text < 0) return { from: 0, to: Number.MAX_SAFE_INTEGER, known: false };
  const after = (name: string): number => {
    const address = found.get(name)?.address ?? 0n;
    return address > stext && address - stext < MOST_IMAGE ? Number(address - stext) : 0;
  };
  const etext = after('_etext');
  const end = after('_end') || (etext === 0 ? MOST_IMAGE : etext + MOST_READ_ONLY);
  return { from: text + etext, to: text + end, known: true };
}

function btfByScan(space: SymbolSpace, symbols: Symbols, issues: Issues): BtfTypes | null {
  const { physical } = space;
  const memory = identity(physical);
  const place = imagePlace(space, symbols);
  let budget = MOST_READ;
  for (const paddr of findHeaders(physical, place)) {
    const header = headerAt(memory, BigInt(paddr));
    if (header === null) continue;
    budget -= sizeOf(header);
    if (budget < 0) break;
    const types = accepted(memory, BigInt(paddr), header, issues);
    if (types === null) continue;
    if (!place.known) {
      issues.add(
        'btf-unplaced',
        "BTF was found by searching all memory: nothing tells whether it is the running kernel's",
        paddr,
      );
    }
    return types;
  }
  return null;
}

function identity(physical: PhysicalMemory): AddressMap {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  const range = { name: 'physical', method: 'linear', first: 0n, last, target: 0 } as const;
  return new AddressMap(physical, [{ ...range, confirmedBy: '', partial: false }]);
}

/** What may be the kernel's own header: its strings begin with the empty one, and not where split BTF's do. */
function headerAt(memory: VirtualMemory, address: bigint): BtfHeader | null {
  const at = memory.locate(address, HEADER_READ);
  const header = at < 0 ? null : decodeBtfHeader(memory.arena.subarray(at, at + HEADER_READ));
  if (header === null || header.littleEndian !== memory.littleEndian || btfHeaderFault(header) !== null) return null;
  if (header.typeLen === 0 || header.strLen === 0) return null;
  const first = memory.locate(address + BigInt(header.hdrLen + header.strOff), 1);
  return first < 0 || memory.arena[first] !== 0 ? null : header;
}

/** It is if the types parse to the end and none refers to one of a base. */
function accepted(memory: VirtualMemory, address: bigint, header: BtfHeader, issues: Issues): BtfTypes | null {
  const own = new Issues();
  const sections = readBtfSections(header, readerOf(memory, address), own, NAME);
  const parsing = new Issues();
  const records = new BtfRecords(sections, null, parsing);
  if (sections.types.length < header.typeLen || parsing.count > 0 || !records.selfContained()) return null;
  issues.addAll(own);
  return BtfTypes.open(sections, { pointerSize: memory.pointerSize, issues });
}

/** Physical addresses where a header's first word lies, aligned to 4 bytes; memory is searched piece by piece, as they are asked for. */
function* findHeaders(physical: PhysicalMemory, place: ImagePlace): Iterable<number> {
  const magic = physical.littleEndian ? [BTF_MAGIC & 0xff, BTF_MAGIC >> 8] : [BTF_MAGIC >> 8, BTF_MAGIC & 0xff];
  // In the byte order of this machine, as the words below are.
  const [word] = new Uint32Array(Uint8Array.of(...magic, BTF_VERSION, 0).buffer);
  const { start, end } = physical.bounds;
  const to = Math.min(place.to, end);
  let found: number[] = [];
  let scanned = 0;
  let total = 0;
  for (let at = Math.max(place.from, start); at < to && scanned < MOST_SCANNED && total < MOST_FOUND; at += PIECE) {
    found = [];
    physical.scan(at, Math.min(to, at + PIECE), (paddr, bytes) => {
      const skip = (4 - (paddr % 4)) % 4;
      const words = wordsOf(bytes, skip);
      for (let i = words.indexOf(word); i >= 0 && found.length < MOST_FOUND; i = words.indexOf(word, i + 1)) {
        found.push(paddr + skip + i * 4);
      }
      scanned += bytes.length;
      return undefined;
    });
    total += found.length;
    yield* found;
  }
}

/** The bytes from `skip` on as words, copied only where they do not lie aligned. */
function wordsOf(bytes: Uint8Array, skip: number): Uint32Array {
  const count = Math.max(0, Math.floor((bytes.length - skip) / 4));
  const aligned = (bytes.byteOffset + skip) % 4 === 0 ? bytes.subarray(skip) : bytes.slice(skip);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, count);
}
