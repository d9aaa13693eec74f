// slab --infer: which types the objects of caches have, for all caches, one of them, or one object; with what each rests on.
import type { Kernel } from 'kdumpling/analysis';
import { type CacheShare, type InferredObject, infer } from 'kdumpling/analysis/infer';
import { cacheAliases, type SlabCache } from 'kdumpling/analysis/slab';
import { hex, type Issues, printable } from 'kdumpling/reader';
import { isNamed, isPattern } from './cache-argument.js';
import { type Progress, UsageError } from './command.js';
import { evidenceText, inferredLines, typeText } from './inferred-lines.js';
import type { KernelAnswer } from './kernel-command.js';

/** Types of a cache that its line names. */
const NAMED = 3;

/** What `--sort` takes with `--infer`. */
const KEYS: Readonly<Record<string, (a: CacheShare, b: CacheShare) => number>> = {
  name: (a, b) => (a.cache.name < b.cache.name ? -1 : Number(a.cache.name > b.cache.name)),
  size: (a, b) => b.cache.objectSize - a.cache.objectSize,
  allocated: (a, b) => b.allocated - a.allocated,
};

export interface InferOptions {
  readonly sort?: string;
  readonly state?: readonly string[];
}

/** Told before any work is done. @throws UsageError */
export function refuseInferOptions({ sort, state }: InferOptions): void {
  if (state !== undefined) throw new UsageError('--infer tells of allocated objects: --state does not go with it');
  if (sort !== undefined && KEYS[sort] === undefined)
    throw new UsageError(`--infer sorts by ${Object.keys(KEYS).join(', ')}, not by ${sort}`);
}

/** @param name of a cache or several (`*` and `?`), or an address of a cache or in an object; undefined for all caches */
export function slabInfer(
  kernel: Kernel,
  name: string | undefined,
  { sort }: InferOptions,
  issues: Issues,
  progress: Progress,
): KernelAnswer {
  const found = infer(kernel, issues, { progress: (done, total) => progress.update(done, total) });
  progress.stop();
  const caches = name === undefined ? found.slabCaches : found.slabCaches.filter(cache => isNamed(cache, name));
  if (name === undefined || isPattern(name)) return allShares(found.shares(), caches, sort, issues);
  const aliases = cacheAliases(kernel, found.slabCaches);
  const cache = caches[0] ?? found.slabCaches.find(one => aliases.get(one.address)?.includes(name) === true);
  if (cache !== undefined) {
    const share = found.shares().find(one => one.cache === cache);
    return objectsAnswer([...found.objects(cache)], share ?? null, issues);
  }
  const object = /^0x[0-9a-f]{1,16}$/i.test(name) ? found.at(BigInt(name)) : null;
  if (object === null) issues.add('no-such-cache', `no cache is called ${name}, and no allocated object lies there`);
  return objectsAnswer(object === null ? [] : [object], null, issues);
}

function allShares(
  shares: readonly CacheShare[],
  caches: readonly SlabCache[],
  sort: string | undefined,
  issues: Issues,
): KernelAnswer {
  const rows = shares.filter(({ cache }) => caches.includes(cache));
  if (sort !== undefined) rows.sort(KEYS[sort]);
  return { json: rows.map(shareJson), text: () => shareLines(rows), partial: issues.count > 0 };
}

const shareJson = ({ cache, allocated, typed, partly, disputed, types }: CacheShare) => ({
  name: cache.name,
  address: cache.address,
  objectSize: cache.objectSize,
  allocated,
  typed,
  partly,
  disputed,
  types,
});

function* shareLines(rows: readonly CacheShare[]): Iterable<string> {
  yield ' ALLOCATED    TYPED  SHARE  PARTLY  DISPUTED  NAME                  TYPES';
  for (const { cache, allocated, typed, partly, disputed, types } of rows) {
    if (allocated === 0) continue;
    const share = `${Math.floor((100 * typed) / allocated)}%`;
    const numbers = `${cell(allocated, 10)} ${cell(typed, 8)} ${cell(share, 6)} ${cell(partly, 7)} ${cell(disputed, 9)}`;
    const named = types.slice(0, NAMED).map(({ type, count }) => `${type} × ${count}`);
    const more = types.length > NAMED ? [`${types.length - NAMED} more`] : [];
    yield printable(`${numbers}  ${cache.name.padEnd(20)}  ${[...named, ...more].join(', ')}`.trimEnd());
  }
}

const cell = (value: number | string, width: number): string => `${value}`.padStart(width);

function objectsAnswer(objects: readonly InferredObject[], share: CacheShare | null, issues: Issues): KernelAnswer {
  return {
    json: { cache: share === null ? null : shareJson(share), objects },
    *text() {
      if (share !== null) yield* shareLines([share]);
      for (const object of objects) yield* objectLines(object, objects.length === 1);
    },
    partial: issues.count > 0,
  };
}

/** One line; of an object that was asked for alone all that is known. */
function* objectLines(object: InferredObject, isAlone: boolean): Iterable<string> {
  const { address, cache, evidence, disagreements } = object;
  if (isAlone) {
    yield printable(`${hex(address)}: ${cache}`);
    yield* inferredLines(object);
    return;
  }
  const [first] = evidence;
  const why = first === undefined ? '' : `: ${evidenceText(first)}`;
  const disputed = disagreements.length === 0 ? '' : ` (${disagreements.length} say otherwise)`;
  yield printable(`${hex(address)}  ${typeText(object)}${why}${disputed}`);
}
