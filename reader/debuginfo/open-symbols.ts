// All symbols that are to be had for a dump: from a vmlinux or System.map of the user's, from kallsyms in the dump, from VMCOREINFO, from the regions of a region core; in that order.
import { AddressMap } from '../address-map.js';
import { fixedText } from '../cursor.js';
import { hex, InputError } from '../fault.js';
import { isElf } from '../formats/elf.js';
import type { DumpRegion } from '../formats/region-names.js';
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import { Issues } from '../issue.js';
import type { PhysicalMemory, VirtualMemory } from '../memory.js';
import type { ByteSource } from '../source.js';
import { bytesAtAddress, elfBuildId } from './elf-file.js';
import { ElfSymbols } from './elf-symbols.js';
import { Kallsyms } from './kallsyms/kallsyms.js';
import { kallsymsByScan } from './kallsyms/scan.js';
import { tablesFromVmcoreinfo } from './kallsyms/tables.js';
import { LayeredSymbols } from './layered-symbols.js';
import { RegionSymbols } from './regions/region-symbols.js';
import type { Symbols } from './symbols.js';
import { SystemMap } from './system-map.js';
import { VmcoreinfoSymbols } from './vmcoreinfo-symbols.js';

/** What of a dump symbols are found in. */
export interface SymbolSpace {
  readonly virtual: VirtualMemory;
  readonly physical: PhysicalMemory;
  readonly vmcoreinfo: Vmcoreinfo | null;
  /** Of a region core, in the order of registration. */
  readonly regions?: readonly DumpRegion[];
}

export interface SymbolOptions {
  /** A vmlinux with a symbol table, or a System.map. */
  readonly vmlinux?: ByteSource;
  /** Take a vmlinux although its build ID is not the kernel's. */
  readonly force?: boolean;
}

export interface OpenedSymbols {
  readonly symbols: LayeredSymbols;
  /** How far the kernel runs from where the vmlinux was linked; 0 without one, and where nothing tells (`issues` then says so). */
  readonly shift: bigint;
  readonly issues: Issues;
}

const BANNER_BYTES = 256;

/** Throws InputError for a vmlinux that cannot be read, or is another kernel's and not forced. */
export function openSymbols(space: SymbolSpace, options: SymbolOptions = {}): OpenedSymbols {
  const issues = new Issues();
  const layers: Symbols[] = [];
  const kallsyms = openKallsyms(space, issues);
  const { vmlinux, force = false } = options;
  const file = vmlinux === undefined ? null : openFile(space, vmlinux, force, kallsyms, issues);
  if (file !== null) layers.push(file);
  if (kallsyms !== null) layers.push(kallsyms);
  if (space.vmcoreinfo !== null) layers.push(new VmcoreinfoSymbols(space.vmcoreinfo));
  const regions = RegionSymbols.open(space.regions ?? [], space);
  if (regions !== null) layers.push(regions);
  const lack = file === null && kallsyms === null ? "the kernel's table of symbols is not to be had" : '';
  const symbols = new LayeredSymbols(layers, lack);
  if (layers.length === 0) {
    issues.add(
      'no-symbols',
      'the dump has no kallsyms and no VMCOREINFO, and no vmlinux was given: symbols are unknown',
    );
  }
  completeImage(space.virtual, symbols);
  return { symbols, shift: file?.shift ?? 0n, issues };
}

/** The kernel's own table in the dump, or null with an issue. */
export function openKallsyms(space: SymbolSpace, issues: Issues): Kallsyms | null {
  const { virtual, vmcoreinfo } = space;
  const stext = vmcoreinfo?.symbol('_stext');
  if (vmcoreinfo !== null) {
    const tables = tablesFromVmcoreinfo(virtual, vmcoreinfo, issues);
    if (tables !== null) return Kallsyms.open(virtual, tables, stext, issues);
    if (vmcoreinfo.symbol('kallsyms_token_table') !== undefined) return null;
  }
  return kallsymsByScan(space, issues);
}

type FileSymbols = ElfSymbols | SystemMap;

function openFile(
  space: SymbolSpace,
  source: ByteSource,
  force: boolean,
  kallsyms: Kallsyms | null,
  issues: Issues,
): FileSymbols {
  const magic = new Uint8Array(4);
  source.read(0, magic);
  const symbols = isElf(magic) ? ElfSymbols.open(source) : SystemMap.open(source);
  symbols.shift = findShift(space, symbols, kallsyms, source, issues);
  const elf = symbols instanceof ElfSymbols ? symbols : null;
  const known = space.vmcoreinfo?.buildId;
  const own = elf === null ? null : elfBuildId(elf.file);
  let why = '';
  if (known !== undefined && own !== null) {
    if (known.toLowerCase() !== own) why = `its build ID is ${own}, the dump's kernel has ${known.toLowerCase()}`;
  } else why = compareBanners(space, symbols, source, issues);
  if (why === '') return symbols;
  if (!force) {
    throw new InputError(
      { source: source.name, nowhere: 'input' },
      `not of the dump's kernel: ${why}`,
      'take the vmlinux of that kernel',
    );
  }
  issues.add('vmlinux-forced', `${source.name} is used although it is not of the dump's kernel: ${why}`);
  return symbols;
}

/** Running - linked address, from `_stext` of VMCOREINFO or kallsyms, else from KERNELOFFSET; 0 with an issue if nothing tells. */
function findShift(
  space: SymbolSpace,
  symbols: FileSymbols,
  kallsyms: Kallsyms | null,
  source: ByteSource,
  issues: Issues,
): bigint {
  const running = space.vmcoreinfo?.symbol('_stext') ?? kallsyms?.resolve(['_stext']).get('_stext')?.address;
  const linked = symbols.linked(['_stext']).get('_stext');
  if (running !== undefined && linked !== undefined) return running - linked;
  const offset = space.vmcoreinfo?.kernelOffset;
  if (offset !== undefined) return offset;
  issues.add(
    'unknown-kaslr-offset',
    `nothing tells how far the kernel was moved: ${source.name} is taken as it was linked`,
  );
  return 0n;
}

/** Where there are no build IDs to compare: the banner in the file and the one in memory. Returns what differs, or ''. */
function compareBanners(space: SymbolSpace, symbols: FileSymbols, source: ByteSource, issues: Issues): string {
  const at = symbols.resolve(['linux_banner']).get('linux_banner')?.address;
  const place = at === undefined ? -1 : space.virtual.locate(at, BANNER_BYTES);
  if (at === undefined || place < 0) {
    issues.add('vmlinux-unchecked', `nothing in the dump tells whether ${source.name} is of its kernel`);
    return '';
  }
  const running = fixedText(space.virtual.arena.subarray(place, place + BANNER_BYTES)).trimEnd();
  if (!running.startsWith('Linux version ')) return `there is no kernel banner at its linux_banner (${hex(at)})`;
  const bytes = symbols instanceof ElfSymbols ? bytesAtAddress(symbols.file, at - symbols.shift, BANNER_BYTES) : null;
  const linked = bytes === null ? running : fixedText(bytes).trimEnd();
  return linked === running ? '' : `its banner is ${JSON.stringify(linked)}, the dump's ${JSON.stringify(running)}`;
}

/** Where the image map goes only as far as VMCOREINFO proves, `_text` and `_end` tell the rest of it. */
function completeImage(virtual: VirtualMemory, symbols: Symbols): void {
  if (!(virtual instanceof AddressMap)) return;
  const image = virtual.ranges.find(range => range.partial);
  if (image === undefined) return;
  const found = symbols.resolve(['_stext', '_end']);
  const end = found.get('_end')?.address;
  const start = found.get('_stext')?.address;
  if (start === undefined || start < image.first || start > image.last || end === undefined || end <= image.last)
    return;
  const first = image.last + 1n;
  const target = image.target + Number(first - image.first);
  virtual.add({ ...image, first, last: end - 1n, target, confirmedBy: '_end', partial: false });
}
