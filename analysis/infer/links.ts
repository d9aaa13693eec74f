// What lists and trees tell: neighbours that are linked both ways, at the same place in objects of the same cache, are of one type; and of some lists it is known of what they are.
import { HIGH, halves, Issues, LOW, splitU64 } from 'kdumpling/reader';
import { hlistNodes, listNodes } from '../collections/index.js';
import { wordAt } from '../collections/words.js';
import { BY_LIST, BY_SIBLING, type Claims, STRENGTH } from './claims.js';
import type { Heap } from './heap.js';
import { HLIST, LIST, type ListHead, TREE } from './shape.js';
import { ELSEWHERE, OBJECT, type Space } from './space.js';
import type { TypeTable } from './types.js';

/** Elements of one list: no more are followed. */
const MOST_ELEMENTS = 1 << 20;

/** Who is told what links lead to. */
export interface Listener {
  readonly space: Space;
  readonly table: TypeTable;
  readonly heap: Heap;
  readonly claims: Claims;
  sureType(node: number): number;
  say(node: number, type: number, offset: number, p: number, parent: number, reason: number, member: number): void;
}

/** The neighbours of an object by its own links. */
export function followSiblings(to: Listener, claim: number): void {
  const { table, claims, space, heap } = to;
  const node = claims.node[claim];
  const type = claims.type[claim];
  if (!space.isObject(node) || table.all[type].form !== 'struct') return;
  const { links, linkKinds, owners, backs } = table.shape(type);
  const offset = claims.offset[claim];
  const word = table.pointerSize;
  for (let i = 0; i < links.length; i++) {
    const kind = linkKinds[i];
    const start = offset + links[i];
    // Of an rb_node the children, behind the parent's word; of an hlist_node `next` alone.
    const [first, last] = kind === TREE ? [1, 3] : [0, kind === HLIST ? 1 : 2];
    for (let k = first; k < last; k++) {
      const at = space.locate(node, start + k * word, word);
      if (at < 0) break;
      const high = space.high(space.view, at);
      const low = space.low(space.view, at);
      if (space.classify(high, low) !== OBJECT) continue;
      const target = space.node;
      if (space.offset !== start || target === node || heap.cacheOf(target) !== heap.cacheOf(node)) continue;
      if (to.sureType(target) >= 0 || !linksBack(to, target, node, start, kind, k)) continue;
      const p = STRENGTH[BY_SIBLING] * claims.confidence(claim);
      if (owners[i] >= 0) to.say(target, owners[i], start - backs[i], p, claim, BY_SIBLING, links[i]);
    }
  }
}

/** list_head.prev of the next, hlist_node.pprev, the parent of an rb_node (its lowest bits are the colour). */
function linksBack(to: Listener, target: number, node: number, start: number, kind: number, k: number): boolean {
  const { space, table } = to;
  const word = table.pointerSize;
  const back = kind === TREE || (kind === LIST && k === 1) ? 0 : word;
  const at = space.locate(target, start + back, word);
  if (at < 0) return false;
  const high = space.high(space.view, at);
  const low = space.low(space.view, at);
  const what = space.classify(high, kind === TREE ? low - (low % 4) : low);
  return what === OBJECT && space.node === node && space.offset === start;
}

/** Everything on a list whose head lies at an address. @param parent the claim that the head is of, -1 for a global variable; @param member where in it, or the root's number */
export function followList(
  to: Listener,
  address: bigint,
  head: Omit<ListHead, 'offset'>,
  p: number,
  parent: number,
  member: number,
): void {
  const { kernel } = to.space;
  // Where a list is damaged the doctor tells; here it only ends, or goes on from its other end.
  const issues = new Issues();
  const nodes = head.kind === HLIST ? hlistNodes(kernel, address, issues) : listNodes(kernel, address, issues);
  let left = MOST_ELEMENTS;
  for (const node of nodes) {
    sayEntry(to, node, head, p, parent, member);
    if (--left === 0) return;
  }
}

function nextOf({ space }: Listener, address: bigint): bigint {
  const { memory } = space.kernel;
  const at = memory.locate(address, memory.pointerSize);
  return at < 0 ? 0n : wordAt(memory, at);
}

function sayEntry(
  to: Listener,
  link: bigint,
  head: Omit<ListHead, 'offset'>,
  p: number,
  parent: number,
  member: number,
): void {
  const { space } = to;
  splitU64(link);
  const what = space.classify(halves[HIGH], halves[LOW]);
  if (what === OBJECT) {
    const inner = space.offset - head.link;
    const { node } = space;
    if (inner >= 0 && to.sureType(node) < 0) to.say(node, head.type, inner, p, parent, BY_LIST, member);
  } else if (what === ELSEWHERE) {
    const node = space.placeAt(link - BigInt(head.link));
    if (node >= 0) to.say(node, head.type, 0, p, parent, BY_LIST, member);
  }
}

/** The lists whose heads lie in an object. @param self the claim that says so, asked for when it is needed */
export function followHeads(to: Listener, node: number, type: number, offset: number, self: () => number): void {
  const { heads } = to.table.shape(type);
  for (const head of heads) {
    const address = to.space.address(node) + BigInt(offset + head.offset);
    const next = nextOf(to, address);
    if (next === 0n || next === address) continue;
    const parent = self();
    followList(to, address, head, STRENGTH[BY_LIST] * to.claims.confidence(parent), parent, head.offset);
  }
}
