// Whether a candidate for a linear or image map is right, told by content whose value is known beforehand: a map is used only after such content was read through it.
import type { LinearRange } from './arch/arch.js';
import { NOT_ADDRESSES } from './arch/image-end.js';
import { fixedText } from './cursor.js';
import type { ProgramHeader } from './formats/elf.js';
import { NO_PADDR, PT_LOAD } from './formats/elf.js';
import type { Vmcoreinfo } from './formats/vmcoreinfo.js';
import type { PhysicalMemory } from './memory.js';

/** `by` names what confirmed the map; `against` what is not as it should be; both empty if the dump has nothing that could tell. */
export interface Proof {
  readonly by: string;
  readonly against: string;
}

/** Members of struct new_utsname have 65 bytes: sysname, nodename, release, version, machine, domainname (include/uapi/linux/utsname.h). */
export const UTS_LENGTH = 65;
/** No list is followed further than this. */
const MOST_ENTRIES = 4096;

export function inRange(range: LinearRange, vaddr: bigint): boolean {
  return vaddr >= range.first && vaddr <= range.last;
}

/** Physical address by a range, or -1. */
export function linearTarget(range: LinearRange, vaddr: bigint): number {
  const paddr = BigInt.asUintN(64, vaddr - range.offset);
  return inRange(range, vaddr) && paddr <= Number.MAX_SAFE_INTEGER ? Number(paddr) : -1;
}

/** True for a segment that claims kernel addresses: QEMU writes 0 or the physical address where it knows none. */
export function claimsVirtual(segment: ProgramHeader): boolean {
  if (segment.type !== PT_LOAD || segment.vaddr === 0n) return false;
  return segment.paddr === NO_PADDR || segment.vaddr !== BigInt(Math.trunc(segment.paddr));
}

export class MapProver {
  readonly #physical: PhysicalMemory;
  readonly #vmcoreinfo: Vmcoreinfo;
  /** Of what segments claim: each offset of addresses once, with an address it was claimed for. */
  readonly #claims = new Map<bigint, bigint>();

  constructor(physical: PhysicalMemory, vmcoreinfo: Vmcoreinfo, segments: readonly ProgramHeader[]) {
    this.#physical = physical;
    this.#vmcoreinfo = vmcoreinfo;
    for (const segment of segments) {
      if (!claimsVirtual(segment) || segment.paddr === NO_PADDR) continue;
      this.#claims.set(BigInt.asUintN(64, segment.vaddr - BigInt(Math.trunc(segment.paddr))), segment.vaddr);
    }
  }

  /** @param image the image map, confirmed before, through which variables of the kernel are read */
  prove(range: LinearRange, image: LinearRange | null): Proof {
    const proofs = [() => this.#utsname(range), () => this.#tokens(range)];
    if (range.name === 'linear')
      proofs.push(
        () => this.#nodes(range, image ?? range),
        () => this.#sections(range),
      );
    proofs.push(() => this.#programHeaders(range));
    let against = '';
    for (const proof of proofs) {
      const result = proof();
      if (result.by !== '') return result;
      if (against === '') against = result.against;
    }
    return { by: '', against };
  }

  #bytes(range: LinearRange, vaddr: bigint, length: number): Uint8Array | null {
    const paddr = linearTarget(range, vaddr);
    if (paddr < 0) return null;
    const at = this.#physical.locate(paddr, length);
    return at < 0 ? null : this.#physical.arena.slice(at, at + length);
  }

  /** A pointer-sized word by a range, or null. */
  word(range: LinearRange, vaddr: bigint): bigint | null {
    const paddr = linearTarget(range, vaddr);
    const { pointerSize, view, littleEndian } = this.#physical;
    const at = paddr < 0 ? -1 : this.#physical.locate(paddr, pointerSize);
    if (at < 0) return null;
    return pointerSize === 8 ? view.getBigUint64(at, littleEndian) : BigInt(view.getUint32(at, littleEndian));
  }

  #symbol(name: string): bigint | undefined {
    return NOT_ADDRESSES.has(name) ? undefined : this.#vmcoreinfo.symbol(name);
  }

  /** init_uts_ns says `Linux` and the release that VMCOREINFO says. */
  #utsname(range: LinearRange): Proof {
    const symbol = this.#symbol('init_uts_ns');
    const release = this.#vmcoreinfo.release;
    if (symbol === undefined || release === undefined || !inRange(range, symbol)) return NOTHING;
    const at = symbol + BigInt(this.#vmcoreinfo.offset('uts_namespace', 'name') ?? 0);
    const bytes = this.#bytes(range, at, 3 * UTS_LENGTH);
    if (bytes === null) return NOTHING;
    const said = fixedText(bytes.subarray(2 * UTS_LENGTH));
    if (fixedText(bytes.subarray(0, UTS_LENGTH)) === 'Linux' && said === release)
      return { by: 'init_uts_ns', against: '' };
    return { by: '', against: 'what is at init_uts_ns is not the kernel release' };
  }

  /** The 256 starts of kallsyms' tokens ascend, each behind the NUL of the token before it. */
  #tokens(range: LinearRange): Proof {
    const index = this.#symbol('kallsyms_token_index');
    const table = this.#symbol('kallsyms_token_table');
    if (index === undefined || table === undefined || index <= table || index - table > 0x10000n) return NOTHING;
    const bytes = this.#bytes(range, table, Number(index - table) + 512);
    if (bytes === null) return NOTHING;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const base = bytes.length - 512;
    let good = view.getUint16(base, this.#physical.littleEndian) === 0;
    let previous = 0;
    for (let i = 1; i < 256 && good; i++) {
      const start = view.getUint16(base + 2 * i, this.#physical.littleEndian);
      good = start > previous && start < base && bytes[start - 1] === 0;
      previous = start;
    }
    return good
      ? { by: 'kallsyms_token_table', against: '' }
      : { by: '', against: 'what is at kallsyms_token_table is not a token table' };
  }

  /** The free lists of a node's zones: an empty list points at itself, by a linear address. */
  #nodes(range: LinearRange, image: LinearRange): Proof {
    const { pointerSize } = this.#physical;
    const info = this.#vmcoreinfo;
    const table = this.#symbol('node_data');
    const sizes = [
      info.offset('pglist_data', 'node_zones'),
      info.size('zone'),
      info.offset('zone', 'free_area'),
      info.size('free_area'),
      info.length('zone.free_area'),
    ];
    if (table === undefined || sizes.some(size => size === undefined)) return NOTHING;
    const [zonesAt, zoneSize, areasAt, areaSize, areas] = sizes as number[];
    const node = this.word(image, table);
    if (node === null || node === 0n || !inRange(range, node)) return NOTHING;
    let read = false;
    for (let zone = 0; zone < 8; zone++) {
      for (let area = 0; area < Math.min(areas, 16); area++) {
        const at = zonesAt + zone * zoneSize + areasAt + area * areaSize;
        for (let list = at; list + 2 * pointerSize <= at + areaSize && list < at + 256; list += 2 * pointerSize) {
          const address = node + BigInt(list);
          const next = this.word(range, address);
          read ||= next !== null;
          if (next === address) return { by: 'node_data', against: '' };
        }
      }
    }
    return read ? { by: '', against: 'what is at node_data is not a memory node' } : NOTHING;
  }

  /** The memory sections: SYMBOL(mem_section) is the address of a table of pointers, all linear, to sections whose memory map pointers carry flag bits. */
  #sections(range: LinearRange): Proof {
    const info = this.#vmcoreinfo;
    const root = info.symbol('mem_section');
    const roots = info.length('mem_section');
    const mapAt = info.offset('mem_section', 'section_mem_map');
    const size = info.size('mem_section');
    if (root === undefined || roots === undefined || mapAt === undefined || !size) return NOTHING;
    if (!inRange(range, root)) return NOTHING;
    const step = BigInt(this.#physical.pointerSize);
    const wrong: Proof = { by: '', against: 'what is at mem_section is not a table of sections' };
    for (let i = 0; i < Math.min(roots, MOST_ENTRIES); i++) {
      const table = this.word(range, root + BigInt(i) * step);
      if (table === null) return NOTHING;
      if (table === 0n) continue;
      if (!inRange(range, table) || table % step !== 0n) return wrong;
      const perPage = Math.floor((info.pageSize ?? 4096) / size);
      for (let j = 0; j < Math.min(perPage, MOST_ENTRIES); j++) {
        const map = this.word(range, table + BigInt(j * size + mapAt));
        if (map === null) return NOTHING;
        if (map === 0n) continue;
        // SECTION_MARKED_PRESENT and SECTION_HAS_MEM_MAP; the map itself is a kernel address.
        const kernel = this.#physical.pointerSize === 4 || map >= 1n << 56n || range.first < 1n << 56n;
        return (map & 3n) === 3n && kernel ? { by: 'mem_section', against: '' } : wrong;
      }
    }
    return NOTHING;
  }

  /** A segment that claims the same for addresses of the range. */
  #programHeaders(range: LinearRange): Proof {
    const vaddr = this.#claims.get(range.offset);
    return vaddr !== undefined && inRange(range, vaddr) ? { by: 'program headers', against: '' } : NOTHING;
  }
}

const NOTHING: Proof = { by: '', against: '' };
