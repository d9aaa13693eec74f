// NUMA nodes: struct pglist_data of each. Source: include/linux/mmzone.h, include/linux/nodemask.h (2.6.24 to 7.3): one `contig_page_data`, or an array of pointers `node_data`.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { Bitmap } from '../collections/bitmap.js';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';

export interface NodeSpan {
  readonly id: number;
  /** Of its struct pglist_data. */
  readonly address: bigint;
  readonly startPfn: number;
  /** One past the last. */
  readonly endPfn: number;
}

/** 1 << CONFIG_NODES_SHIFT is 1024 at most. */
const MOST_NODES = 1024;
const MOST_PFN = 2 ** 44;

/** In the order of their numbers; what cannot be is told in `issues`. @throws Missing where nothing tells the nodes, MemoryFault */
export function nodeSpans(kernel: Kernel, issues: Issues): NodeSpan[] {
  const start = nodeNumber(kernel, 'node_start_pfn');
  const spanned = nodeNumber(kernel, 'node_spanned_pages');
  const nodes: NodeSpan[] = [];
  for (const [id, address] of nodeAddresses(kernel, issues)) {
    try {
      const startPfn = start(address);
      const endPfn = startPfn + spanned(address);
      // A node without memory, or none at all.
      if (endPfn === startPfn) continue;
      if (endPfn <= MOST_PFN) nodes.push({ id, address, startPfn, endPfn });
      else issues.add('damaged-node', `node ${id} has frames ${startPfn} to ${endPfn}, which cannot be`, address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-node', `node ${id}: ${error.message}`, address);
    }
  }
  return nodes;
}

function nodeNumber(kernel: Kernel, member: string): (node: bigint) => number {
  const said = kernel.vmcoreinfo?.offset('pglist_data', member);
  const offset = BigInt(said ?? struct(kernel, 'pglist_data').offset(member));
  return node => Number(kernel.memory.pointer(node + offset));
}

/** Online nodes. */
function nodeAddresses(kernel: Kernel, issues: Issues): (readonly [id: number, address: bigint])[] {
  kernel.expect(['contig_page_data', 'node_data', 'node_states', 'node_online_map']);
  const array = kernel.symbol('node_data');
  if (array === null) return [[0, kernel.address('contig_page_data')]];
  const { memory } = kernel;
  const online = onlineNodes(kernel);
  const found: (readonly [number, bigint])[] = [];
  for (const id of online ?? Array.from({ length: MOST_NODES }, (_, i) => i)) {
    const at = memory.locate(array.address + BigInt(id * memory.pointerSize), memory.pointerSize);
    if (at < 0) {
      issues.add('unreadable-node', `node_data[${id}]: ${memory.fault.toError().message}`, array.address);
      break;
    }
    const address = wordAt(memory, at);
    if (address === 0n && online === null) break;
    if (address !== 0n) found.push([id, address]);
  }
  return found;
}

/** node_states[N_ONLINE]: the second mask of the array (2.6.24 and later), which VMCOREINFO calls node_online_map. */
function onlineNodes(kernel: Kernel): Bitmap | null {
  const size = kernel.vmcoreinfo?.size('nodemask_t') ?? kernel.types?.find('typedef', 'nodemask_t') ?? null;
  const bytes = typeof size === 'number' ? size : size === null ? null : struct(kernel, 'nodemask_t').size;
  if (bytes === null) return null;
  const said = kernel.vmcoreinfo?.symbol('node_online_map');
  const states = said === undefined ? (kernel.symbol('node_states')?.address ?? null) : null;
  const mask = said ?? (states === null ? null : states + BigInt(bytes));
  return mask === null ? null : new Bitmap(kernel.memory, mask, Math.min(bytes * 8, MOST_NODES));
}
