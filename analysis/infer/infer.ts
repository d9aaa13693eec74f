// Which types objects have whose cache does not tell it: from named caches and global variables along typed pointers, lists whose objects are known, and what else leaves only one type.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { cacheAliases, slabAllocator } from '../slab/index.js';
import { knownCaches } from './caches.js';
import { OVERRULED } from './claims.js';
import { CodeEvidence } from './code.js';
import { Containers } from './containers.js';
import { Engine } from './engine.js';
import { Heap } from './heap.js';
import { type Disagreement, Inference } from './inference.js';
import { followGlobalLists, followRoots, type Root, roots } from './roots.js';
import { Space } from './space.js';
import { TypeTable } from './types.js';

export interface InferOptions {
  /** Follow the lists of the table of facts; they are followed if left out. */
  readonly lists?: boolean;
  /** Told how much of the memory map was looked at, in bytes of the memory that it is of. */
  readonly progress?: (done: number, total: number) => void;
}

/** Runs in all: the second one without what the first one believed wrongly. */
const MOST_RUNS = 2;
/** Parts and what follows of them, in turn. */
const MOST_ROUNDS = 4;

/** @throws Missing where the kernel's types or its slab caches are not known, MemoryFault */
export function infer(kernel: Kernel, issues: Issues, options: InferOptions = {}): Inference {
  return inferFrom(kernel, Heap.read(slabAllocator(kernel, issues), issues, options.progress), issues, options);
}

/** The same of a heap that is read already. @throws Missing where the kernel's types are not known */
export function inferFrom(kernel: Kernel, heap: Heap, issues: Issues, options: InferOptions = {}): Inference {
  const { types } = kernel;
  if (types === null) throw new Missing('type', 'struct kmem_cache', 'give the vmlinux of this kernel with --vmlinux');
  const table = new TypeTable(types, options.lists ?? true);
  const { caches: all } = heap.allocator;
  const caches = knownCaches(all, table, cacheAliases(kernel, all));
  const space = new Space(kernel, heap, cpuOffset(kernel));
  const variables = roots(kernel);
  const banned = new Set<string>();
  const given = new Map<number, readonly Disagreement[]>();
  for (let run = 1; ; run++) {
    const engine = new Engine(space, table, caches, banned);
    const heads = follow(engine, variables);
    const inference = new Inference(engine, [...variables, ...heads], given);
    if (run === MOST_RUNS || !ban(engine, inference, banned, given)) {
      tellLeft(engine, issues);
      return inference;
    }
  }
}

function follow(engine: Engine, all: readonly Root[]): Root[] {
  followRoots(engine, all);
  const heads = followGlobalLists(engine, all.length);
  engine.followCaches();
  engine.run();
  const containers = new Containers(engine);
  const code = new CodeEvidence(engine);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = engine.claims.count;
    containers.follow();
    engine.run();
    code.follow();
    engine.run();
    if (engine.claims.count === before) break;
  }
  return heads;
}

/** What was believed although more speaks for something else is not believed a second time. @returns whether there is such */
function ban(
  engine: Engine,
  inference: Inference,
  banned: Set<string>,
  given: Map<number, readonly Disagreement[]>,
): boolean {
  const { claims } = engine;
  for (let claim = 0; claim < claims.count; claim++) {
    if (claims.state[claim] !== OVERRULED) continue;
    const rival = engine.rivalOf(claim);
    if (rival < 0 || claims.weight[rival] >= claims.weight[claim]) continue;
    const node = claims.node[rival];
    const key = `${node} ${claims.type[rival]} ${claims.offset[rival]}`;
    if (banned.has(key)) continue;
    banned.add(key);
    given.set(node, [...(given.get(node) ?? []), inference.disagreement(rival)]);
  }
  return banned.size > 0;
}

function tellLeft({ claims, space }: Engine, issues: Issues): void {
  if (claims.left > 0) {
    const message = `${claims.left} further claims about objects of which much is said already are left out`;
    issues.add('claims-left-out', message);
  }
  if (space.isFull) issues.add('places-left-out', 'there are more places outside of slabs than are followed');
}

/** Of the first CPU; 0 where there is none. */
function cpuOffset(kernel: Kernel): bigint {
  try {
    const all = perCpu(kernel);
    return all.possible.length === 0 ? 0n : all.offset(all.possible[0]);
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return 0n;
    throw error;
  }
}
