// The memory map: which page frames have a struct page, and where. Source: include/asm-generic/memory_model.h, include/linux/mmzone.h (2.6.24 to 7.3): sparse memory (with a virtual
// memory map or without), one flat array, or an array for each node (DISCONTIGMEM, to 5.13).
import { type Issue, Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, struct } from '../object/index.js';
import { type PageLayout, pageLayout } from './layout.js';
import { type NodeSpan, nodeSpans } from './nodes.js';
import { type MapPiece, sparsePieces } from './sections.js';

export type MemoryModel = 'sparse' | 'flat' | 'discontiguous';

export interface MemoryMap {
  readonly model: MemoryModel;
  readonly layout: PageLayout;
  /** Disjoint, ascending. */
  readonly pieces: readonly MapPiece[];
  /** One past the last frame that has a struct page. */
  readonly endPfn: number;
  /** What of the map cannot be read. */
  readonly issues: readonly Issue[];
}

/** Past every page frame: MAX_PHYSMEM_BITS is 56 at most. */
const MOST_PFN = 2 ** 44;

/** Found once for a kernel. @throws Missing, MemoryFault */
export const memoryMap = (kernel: Kernel): MemoryMap => kernel.once(findMemoryMap);

function findMemoryMap(kernel: Kernel): MemoryMap {
  const issues = new Issues();
  const layout = pageLayout(kernel);
  kernel.expect(['mem_section', 'mem_map', 'contig_page_data', 'node_data']);
  const found = findPieces(kernel, layout, issues);
  const pieces = disjoint(found.pieces, issues);
  if (pieces.length === 0)
    throw new Missing('symbol', 'mem_section', 'no section of memory is there, or none can be read');
  return { ...found, pieces, layout, endPfn: pieces[pieces.length - 1].endPfn, issues: issues.list() };
}

function findPieces(kernel: Kernel, layout: PageLayout, issues: Issues): { model: MemoryModel; pieces: MapPiece[] } {
  const isSparse = kernel.vmcoreinfo?.symbol('mem_section') !== undefined || kernel.symbol('mem_section') !== null;
  if (isSparse) return { model: 'sparse', pieces: sparsePieces(kernel, kernel.pageSize, issues) };
  const nodes = nodeSpans(kernel, issues);
  const flat = kernel.symbol('mem_map');
  if (flat !== null && nodes.length <= 1)
    return { model: 'flat', pieces: flatPieces(kernel, layout, flat.address, nodes) };
  return { model: 'discontiguous', pieces: nodes.flatMap(node => nodePiece(kernel, layout, node, issues)) };
}

/** `mem_map` is the page of frame ARCH_PFN_OFFSET, which the node's own map and first frame tell. */
function flatPieces(kernel: Kernel, layout: PageLayout, variable: bigint, nodes: readonly NodeSpan[]): MapPiece[] {
  const map = kernel.memory.pointer(variable);
  const node = nodes[0];
  const own = node === undefined ? null : nodeMap(kernel, node);
  if (node === undefined || own === null) {
    const endPfn = Math.ceil(kernel.physical.bounds.end / kernel.pageSize);
    return [{ startPfn: 0, endPfn, base: map }];
  }
  const ahead = Number(own - map) / layout.size;
  const first = Number.isSafeInteger(ahead) && ahead >= 0 && ahead <= node.startPfn ? node.startPfn - ahead : 0;
  return [{ startPfn: first, endPfn: node.endPfn, base: based(kernel, map, first, layout.size) }];
}

function nodePiece(kernel: Kernel, layout: PageLayout, node: NodeSpan, issues: Issues): MapPiece[] {
  const map = nodeMap(kernel, node);
  if (map === null || map === 0n) {
    issues.add('no-node-map', `node ${node.id} has no memory map`, node.address);
    return [];
  }
  const { startPfn, endPfn } = node;
  return [{ startPfn, endPfn, base: based(kernel, map, startPfn, layout.size) }];
}

function nodeMap(kernel: Kernel, node: NodeSpan): bigint | null {
  const offset =
    kernel.vmcoreinfo?.offset('pglist_data', 'node_mem_map') ??
    (hasStruct(kernel, 'pglist_data') && struct(kernel, 'pglist_data').has('node_mem_map')
      ? struct(kernel, 'pglist_data').offset('node_mem_map')
      : null);
  return offset === null ? null : kernel.memory.pointer(node.address + BigInt(offset));
}

const based = (kernel: Kernel, map: bigint, pfn: number, size: number): bigint =>
  BigInt.asUintN(kernel.arch.bits, map - BigInt(pfn * size));

/** In order and without overlaps: what comes first stays. */
function disjoint(pieces: readonly MapPiece[], issues: Issues): MapPiece[] {
  const sorted = [...pieces].sort((a, b) => a.startPfn - b.startPfn);
  const kept: MapPiece[] = [];
  let end = 0;
  for (const piece of sorted) {
    if (piece.endPfn > MOST_PFN || piece.endPfn <= Math.max(piece.startPfn, end)) {
      issues.add('damaged-memory-map', `frames ${piece.startPfn} to ${piece.endPfn} cannot be: they are left out`);
      continue;
    }
    kept.push({ ...piece, startPfn: Math.max(piece.startPfn, end) });
    end = piece.endPfn;
  }
  return kept;
}
