// Sparse memory: sections of page frames, each with the address of its part of the memory map. Source: include/linux/mmzone.h, mm/sparse.c (2.6.16 to 7.3):
// mem_section is an array, with SPARSEMEM_EXTREME an array of pointers to pages of sections, since 4.15 a pointer to that (commit 83e3c48729d9).
import type { Issues } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, struct } from '../object/index.js';

/** Frames [startPfn, endPfn); the struct page of frame 0, if it were there, would be at `base`, modulo the word size. */
export interface MapPiece {
  readonly startPfn: number;
  readonly endPfn: number;
  readonly base: bigint;
}

/** SECTION_SIZE_BITS and MAX_PHYSMEM_BITS where VMCOREINFO does not tell (before 5.4 and 5.12): arch/ARCH/include/asm/sparsemem.h, the widest that there was. */
const SECTION_FACTS: Readonly<Record<string, { readonly section: number; readonly memory: number }>> = {
  x86_64: { section: 27, memory: 52 },
  i386: { section: 29, memory: 36 },
  arm64: { section: 30, memory: 48 },
  arm: { section: 28, memory: 36 },
  ppc64: { section: 24, memory: 51 },
  s390x: { section: 28, memory: 55 },
  riscv64: { section: 27, memory: 56 },
};

/** The bits of section_mem_map that are flags: what it points at is aligned to far more. */
const FLAG_BITS = 0x3fn;
const PRESENT = 0b11;
/** A root is a page of pointers or of sections; no kernel has more sections than fit here. */
const MOST_SECTIONS = 2 ** 28;
const MOST_ROOTS = 2 ** 20;

interface Shape {
  readonly kernel: Kernel;
  /** Roots are pointers; else one array has all sections. */
  readonly extreme: boolean;
  readonly pagesPerSection: number;
  readonly sectionSize: number;
  readonly mapOffset: number;
  readonly perRoot: number;
  readonly roots: number;
  readonly issues: Issues;
}

/**
 * The pieces of the memory map, ascending; adjacent ones of one base are joined. Sections that cannot be read are told in `issues`.
 * @throws Missing where the kernel has no sections, or nothing tells their shape
 */
export function sparsePieces(kernel: Kernel, pageSize: number, issues: Issues): MapPiece[] {
  const said = kernel.vmcoreinfo?.symbol('mem_section');
  const extreme = shapeOf(kernel, pageSize, true, issues);
  const pieces = (shape: Shape, roots: bigint): MapPiece[] => [...piecesOf(shape, roots)];
  // VMCOREINFO has the array of pointers itself, however the variable is declared.
  if (said !== undefined) {
    if (!isArrayOfSections(kernel)) return pieces(extreme, said);
    return pieces(shapeOf(kernel, pageSize, false, issues), said);
  }
  const variable = kernel.address('mem_section');
  if (isArrayOfSections(kernel)) return pieces(shapeOf(kernel, pageSize, false, issues), variable);
  const declared = kernel.types?.variable('mem_section');
  const isArray = declared != null && plainType(declared).kind === 'array';
  return pieces(extreme, isArray ? variable : kernel.memory.pointer(variable));
}

/** Without SPARSEMEM_EXTREME `mem_section` is the sections themselves: only types, or as many of them as there can be, tell. */
function isArrayOfSections(kernel: Kernel): boolean {
  const length = kernel.vmcoreinfo?.length('mem_section');
  if (length !== undefined) {
    const { section, memory } = bitsOf(kernel);
    return length === 2 ** (memory - section);
  }
  const declared = kernel.types?.variable('mem_section') ?? null;
  const plain = declared === null ? null : plainType(declared);
  return plain?.kind === 'array' && plainType(plain.element).kind !== 'pointer';
}

function bitsOf(kernel: Kernel): { section: number; memory: number } {
  const { vmcoreinfo, arch } = kernel;
  const facts = SECTION_FACTS[arch.name];
  const section = Number(vmcoreinfo?.number('SECTION_SIZE_BITS') ?? facts?.section ?? -1);
  const memory = Number(vmcoreinfo?.number('MAX_PHYSMEM_BITS') ?? facts?.memory ?? -1);
  const page = Math.log2(kernel.pageSize);
  if (section > page && section < 48 && memory >= section && memory <= 56) return { section, memory };
  throw new Missing('symbol', 'SECTION_SIZE_BITS', `what is said of it (${section} of ${memory} bits) cannot be`);
}

function shapeOf(kernel: Kernel, pageSize: number, extreme: boolean, issues: Issues): Shape {
  const { vmcoreinfo } = kernel;
  const { section, memory } = bitsOf(kernel);
  const sectionSize = vmcoreinfo?.size('mem_section') ?? struct(kernel, 'mem_section').size;
  const mapOffset =
    vmcoreinfo?.offset('mem_section', 'section_mem_map') ??
    (hasStruct(kernel, 'mem_section') ? struct(kernel, 'mem_section').offset('section_mem_map') : 0);
  const word = kernel.memory.pointerSize;
  if (!(sectionSize >= word && sectionSize <= 4096 && mapOffset + word <= sectionSize))
    throw new Missing('type', 'struct mem_section', `what is said of it (${sectionSize} bytes) cannot be`);
  // What lies behind the last memory of the dump is not asked for: how far the arrays go is not always known.
  const needed = Math.ceil(kernel.physical.bounds.end / 2 ** section);
  const sections = Math.min(2 ** (memory - section), needed, MOST_SECTIONS);
  const perRoot = extreme ? Math.floor(pageSize / sectionSize) : sections;
  const roots = Math.min(Math.ceil(sections / perRoot), vmcoreinfo?.length('mem_section') ?? MOST_ROOTS, MOST_ROOTS);
  const pagesPerSection = 2 ** section / pageSize;
  return { kernel, extreme, pagesPerSection, sectionSize, mapOffset, perRoot, roots, issues };
}

function* piecesOf(shape: Shape, address: bigint): Iterable<MapPiece> {
  let open: { startPfn: number; endPfn: number; base: bigint } | null = null;
  for (const [number, base] of sectionsOf(shape, address)) {
    const startPfn = number * shape.pagesPerSection;
    const endPfn = startPfn + shape.pagesPerSection;
    if (open !== null && open.base === base && open.endPfn === startPfn) {
      open.endPfn = endPfn;
      continue;
    }
    if (open !== null) yield open;
    open = { startPfn, endPfn, base };
  }
  if (open !== null) yield open;
}

/** Sections that are there, with the encoded address of their part. */
function* sectionsOf(shape: Shape, address: bigint): Iterable<readonly [number: number, base: bigint]> {
  const { perRoot, roots } = shape;
  if (!shape.extreme) {
    yield* sectionsAt(shape, address, 0);
    return;
  }
  const word = shape.kernel.memory.pointerSize;
  const chunk = 4096 / word;
  for (let from = 0; from < roots; from += chunk) {
    const count = Math.min(chunk, roots - from);
    const pointers = rootPointers(shape, address + BigInt(from * word), count);
    // An array that cannot be read goes on nowhere.
    if (pointers === null) return;
    for (const [i, root] of pointers.entries()) {
      if (root !== 0n) yield* sectionsAt(shape, root, (from + i) * perRoot);
    }
  }
}

function rootPointers(shape: Shape, address: bigint, count: number): BigUint64Array | null {
  const { memory } = shape.kernel;
  const word = memory.pointerSize;
  const at = memory.locate(address, count * word);
  if (at < 0) {
    shape.issues.add('unreadable-sections', `roots of mem_section: ${memory.fault.toError().message}`, address);
    return null;
  }
  const pointers = new BigUint64Array(count);
  for (let i = 0; i < count; i++) pointers[i] = wordAt(memory, at + i * word);
  return pointers;
}

/** The sections of one root, in pieces that fit one look-up. */
function* sectionsAt(shape: Shape, address: bigint, first: number): Iterable<readonly [number: number, base: bigint]> {
  const { kernel, sectionSize, mapOffset, issues } = shape;
  const { memory } = kernel;
  const chunk = Math.floor(4096 / sectionSize);
  for (let from = 0; from < shape.perRoot; from += chunk) {
    const count = Math.min(chunk, shape.perRoot - from);
    const place = address + BigInt(from * sectionSize);
    const at = memory.locate(place, count * sectionSize);
    if (at < 0) {
      issues.add('unreadable-sections', `sections of memory: ${memory.fault.toError().message}`, place);
      return;
    }
    const bytes = new BigUint64Array(count);
    for (let i = 0; i < count; i++) bytes[i] = wordAt(memory, at + i * sectionSize + mapOffset);
    for (let i = 0; i < count; i++) {
      if ((Number(bytes[i] & FLAG_BITS) & PRESENT) === PRESENT) yield [first + from + i, bytes[i] & ~FLAG_BITS];
    }
  }
}
