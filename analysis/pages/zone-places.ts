// Where the zones of all nodes lie. Source: include/linux/mmzone.h (2.6.24 to 7.3): node_zones[] at the start of each node's struct pglist_data, nr_zones of them.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { type NodeSpan, nodeSpans } from './nodes.js';

export interface ZonePlace {
  /** Of its struct zone. */
  readonly address: bigint;
  readonly node: NodeSpan;
  /** In node_zones; the number that the flags of its pages have. */
  readonly index: number;
}

/** MAX_NR_ZONES is 6 at most. */
const MOST_ZONES = 16;

/** A member's offset by VMCOREINFO, else by the types. @throws Missing */
export function saidOffset(kernel: Kernel, type: string, member: string): number {
  return kernel.vmcoreinfo?.offset(type, member) ?? struct(kernel, type).offset(member);
}

export function saidSize(kernel: Kernel, type: string): number {
  return kernel.vmcoreinfo?.size(type) ?? struct(kernel, type).size;
}

/** By node, then by number; those without pages too. @throws Missing, MemoryFault */
export function* zonePlaces(kernel: Kernel, issues: Issues): Iterable<ZonePlace> {
  const count = BigInt(saidOffset(kernel, 'pglist_data', 'nr_zones'));
  const first = BigInt(saidOffset(kernel, 'pglist_data', 'node_zones'));
  const size = BigInt(saidSize(kernel, 'zone'));
  for (const node of nodeSpans(kernel, issues)) {
    try {
      const zones = kernel.memory.u32(node.address + count);
      if (zones > MOST_ZONES) {
        issues.add('damaged-node', `node ${node.id} has ${zones} zones, which cannot be`, node.address);
        continue;
      }
      for (let index = 0; index < zones; index++)
        yield { address: node.address + first + BigInt(index) * size, node, index };
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-node', `zones of node ${node.id}: ${error.message}`, node.address);
    }
  }
}
