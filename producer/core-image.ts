// The core image: the ELF header that a kernel keeps of its own registry, so that header, VMCOREINFO and regions put one behind the other are an ELF core.
// Source: init_elfheader, update_elfheader and clear_elfheader, the same in all series (drivers/debug/kmemdump_coreimage.c to kernel/meminspect/meminspect.c).
import { alignUp, type Issues } from 'kdumpling/reader';
import type { Architecture } from 'kdumpling/reader/arch';
import { elfHeaderSize, PF_R, PF_W, programHeaderSize } from 'kdumpling/reader/formats/elf';
import { type CoreSegment, layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes, NT_PRPSINFO, NT_PRSTATUS } from 'kdumpling/reader/formats/notes';
import type { Refusal } from './errno.js';
import type { OverlayMemory } from './overlay-memory.js';
import type { Region } from './region.js';
import type { HeaderClient, RegionPlace } from './registry/index.js';

/** Program headers that the buffer has room for: PT_NOTE and 200 PT_LOADs. */
export const PROGRAM_HEADERS = 201;

const CORE_NAME = 'CORE';
const VMCOREINFO_NAME = 'VMCOREINFO';
/** struct elf_prpsinfo, from its end: pr_fname[16] and pr_psargs[80]. */
const PRPSINFO_FNAME_FROM_END = 96;
const PRPSINFO_PSARGS_FROM_END = 80;
/** pr_sname follows pr_state, one byte each. */
const PRPSINFO_SNAME = 1;

const align4 = (size: number): number => alignUp(size, 4);

export type CoreArchitecture = Pick<Architecture, 'elfMachine' | 'bits' | 'prpsinfoSize'> & {
  readonly prstatus: { readonly size: number };
};

export interface CoreImagePlaces {
  /** Where the note lies, and how much room is before it (elfh_size of the kernel). */
  readonly notesOffset: number;
  /** Length of the note segment, VMCOREINFO's descriptor included. */
  readonly notesSize: number;
  /** Size of the header region: all but that descriptor. */
  readonly size: number;
}

/** The sizes of a core image for a VMCOREINFO of `vmcoreinfoSize` bytes. */
export function coreImagePlaces(arch: CoreArchitecture, vmcoreinfoSize: number): CoreImagePlaces {
  const { bits, prstatus, prpsinfoSize } = arch;
  const descriptor = align4(vmcoreinfoSize);
  const notesOffset = align4(
    elfHeaderSize(bits) +
      prstatus.size +
      prpsinfoSize +
      (VMCOREINFO_NAME.length + 1) +
      descriptor +
      PROGRAM_HEADERS * programHeaderSize(bits),
  );
  const notesSize =
    3 * 12 +
    2 * align4(CORE_NAME.length + 1) +
    align4(VMCOREINFO_NAME.length + 1) +
    align4(prstatus.size) +
    align4(prpsinfoSize) +
    descriptor;
  return { notesOffset, notesSize, size: notesOffset + notesSize - descriptor };
}

export interface CoreImageOptions {
  readonly arch: CoreArchitecture;
  readonly littleEndian: boolean;
  /** Where the header's memory is allocated. */
  readonly memory: OverlayMemory;
  readonly linearAddress: (paddr: number) => bigint | null;
  /** vmcoreinfo_data with vmcoreinfo_size of boot; null: the note is empty. */
  readonly vmcoreinfo: RegionPlace | null;
  /** saved_command_line; '' if it is not known. */
  readonly commandLine: string;
  readonly issues: Issues;
  readonly outOfMemory?: () => boolean;
}

export class CoreImage implements HeaderClient {
  readonly #options: CoreImageOptions;
  readonly #places: CoreImagePlaces;
  readonly #segments: CoreSegment[] = [];
  #paddr = -1;

  constructor(options: CoreImageOptions) {
    this.#options = options;
    this.#places = coreImagePlaces(options.arch, options.vmcoreinfo?.size ?? 0);
  }

  /** Program headers in file order, PT_NOTE not counted. */
  get segments(): readonly CoreSegment[] {
    return this.#segments;
  }

  prepare(): Refusal | { readonly header: RegionPlace; readonly vmcoreinfo: RegionPlace | null } {
    const { memory, linearAddress, vmcoreinfo, outOfMemory } = this.#options;
    if (outOfMemory?.() === true) return { errno: 'ENOMEM', message: "there is no memory for the core image's header" };
    const { size } = this.#places;
    this.#paddr = memory.allocate(size);
    this.#write();
    return {
      header: { vaddr: linearAddress(this.#paddr) ?? 0n, paddr: this.#paddr, size },
      vmcoreinfo: vmcoreinfo === null ? null : { ...vmcoreinfo, size: align4(vmcoreinfo.size) },
    };
  }

  /** Appends a PT_LOAD. A kernel of RFC v1 would write past the table; here the entry is left out, with an issue. */
  add(region: Region): void {
    if (this.#segments.length === PROGRAM_HEADERS - 1) {
      this.#options.issues.add(
        'core-image-full',
        `${region.name || `ID ${region.id}`} has no program header: the core image has room for ${PROGRAM_HEADERS - 1} regions`,
        region.paddr,
      );
      return;
    }
    const size = align4(region.size);
    const { vaddr, paddr } = region;
    this.#segments.push({ vaddr, paddr, filesz: size, memsz: size, flags: PF_R | PF_W, align: 0 });
    this.#write();
  }

  /** Removes the first PT_LOAD with the region's physical address and size; those behind it move up, their p_offset too. */
  remove(region: Region): boolean {
    const size = align4(region.size);
    const at = this.#segments.findIndex(segment => segment.paddr === region.paddr && segment.memsz === size);
    if (at < 0) return false;
    this.#segments.splice(at, 1);
    this.#write();
    return true;
  }

  /** The header region's bytes: ELF header, program headers, room for more, the notes up to VMCOREINFO's descriptor. */
  bytes(): Uint8Array<ArrayBuffer> {
    const { arch, littleEndian } = this.#options;
    const { notesOffset, notesSize, size } = this.#places;
    const { header } = layoutCore({
      bits: arch.bits,
      littleEndian,
      machine: arch.elfMachine,
      notesSize,
      segments: this.#segments,
      notesOffset,
      payloadOffset: notesOffset + notesSize,
    });
    const bytes = new Uint8Array(size);
    bytes.set(header);
    bytes.set(this.#notes().subarray(0, size - notesOffset), notesOffset);
    return bytes;
  }

  #notes(): Uint8Array {
    const { arch, littleEndian, vmcoreinfo } = this.#options;
    return encodeNotes(
      [
        { name: CORE_NAME, type: NT_PRSTATUS, descriptor: new Uint8Array(arch.prstatus.size) },
        { name: CORE_NAME, type: NT_PRPSINFO, descriptor: this.#prpsinfo() },
        { name: VMCOREINFO_NAME, type: 0, descriptor: new Uint8Array(align4(vmcoreinfo?.size ?? 0)) },
      ],
      littleEndian,
    );
  }

  #prpsinfo(): Uint8Array {
    const { arch, commandLine } = this.#options;
    const info = new Uint8Array(arch.prpsinfoSize);
    const encoder = new TextEncoder();
    info[PRPSINFO_SNAME] = 'R'.charCodeAt(0);
    info.set(encoder.encode('vmlinux'), info.length - PRPSINFO_FNAME_FROM_END);
    // strscpy: cut to leave a NUL.
    const psargs = encoder.encode(commandLine).subarray(0, PRPSINFO_PSARGS_FROM_END - 1);
    info.set(psargs, info.length - PRPSINFO_PSARGS_FROM_END);
    return info;
  }

  #write(): void {
    if (this.#paddr >= 0) this.#options.memory.write(this.#paddr, this.bytes());
  }
}
