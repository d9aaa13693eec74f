// kdumpling slab: the caches of the slab allocator, or the objects of one of them.
import { Command, Option } from 'commander';
import {
  allocatedOf,
  type CacheUsage,
  cacheAliases,
  cacheObjects,
  namedTrack,
  OBJECT_STATES,
  type ObjectState,
  type SlabAllocator,
  type SlabCache,
  SlabLookup,
  SlabPages,
  slabAllocator,
  type Track,
} from 'kdumpling/analysis/slab';
import { hex, type Issues, printable } from 'kdumpling/reader';
import { isNamed, isPattern } from './cache-argument.js';
import { type CommandContext, type DefineCommand, type Progress, UsageError } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';
import { objectLines, objectsOf } from './slab-objects.js';
import { trackLines } from './track-lines.js';

const SORTS = ['name', 'size', 'allocated', 'total', 'slabs', 'memory'] as const;

interface SlabOptions extends KernelOptions {
  readonly sort?: (typeof SORTS)[number];
  readonly state?: ObjectState[];
  readonly infer?: boolean;
  readonly objects?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'List the slab caches, with how many of their objects are allocated; with CACHE its objects, slab by slab, or the one at an address. With --infer which types objects have.',
      )
      .argument('<dump>', DUMP_HELP)
      .argument(
        '[cache]',
        'a name (with * or ? a list of all that match), or the address (0x…) of a kmem_cache, or one in an object',
      )
      .addOption(new Option('--sort <key>', 'the largest first, names in order').choices(SORTS))
      .addOption(
        new Option('--state <state...>', 'with CACHE or --objects: objects in these states only').choices(
          OBJECT_STATES,
        ),
      )
      .option('--objects', 'the objects of all caches, or of all that match')
      .option('--infer', 'which types allocated objects have, by what points to them'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling slab vmcore --sort memory\n  kdumpling slab vmcore filp --state allocated\n  kdumpling slab vmcore "kmalloc-*" --infer',
    )
    .action((dump: string, cache: string | undefined, options: SlabOptions) => slab(context, dump, cache, options));

function slab(context: CommandContext, dump: string, name: string | undefined, options: SlabOptions): Promise<void> {
  if (options.infer !== true) refuseOptions(name, options);
  const empty = name === undefined || isPattern(name) ? [] : { cache: null, objects: [] };
  return answerFromKernel(context, [dump], options, empty, async (kernel, issues) => {
    const progress = await context.progress('memory map');
    try {
      if (options.infer === true) {
        const { refuseInferOptions, slabInfer } = await import('./slab-infer.js');
        refuseInferOptions(options);
        return slabInfer(kernel, name, options, issues, progress);
      }
      const allocator = slabAllocator(kernel, issues);
      if (name !== undefined && !isPattern(name)) return oneCache(allocator, name, options, issues, progress);
      if (options.objects === true) return objects(allocator, name, options, issues, progress);
      return allCaches(allocator, name, options, issues);
    } finally {
      progress.stop();
    }
  });
}

function objects(
  allocator: SlabAllocator,
  pattern: string | undefined,
  { state, json }: SlabOptions,
  issues: Issues,
  progress: Progress,
): KernelAnswer {
  const pages = SlabPages.find(allocator, issues, (done, total) => progress.update(done, total));
  progress.stop();
  tellUnread(pages, issues);
  const caches = allocator.caches.filter(cache => pattern === undefined || isNamed(cache, pattern));
  return {
    json: json === true ? caches.map(cache => objectsOf(allocator, pages, cache, state, issues)) : [],
    *text() {
      for (const cache of caches) yield* objectLines(allocator, pages, cache, state, issues);
    },
    get partial() {
      return issues.count > 0;
    },
  };
}

interface CacheRow {
  readonly cache: SlabCache;
  /** The other names of a merged cache. */
  readonly aliases: readonly string[];
  readonly usage: CacheUsage;
}

const KEYS: Record<(typeof SORTS)[number], (a: CacheRow, b: CacheRow) => number> = {
  name: (a, b) => (a.cache.name < b.cache.name ? -1 : Number(a.cache.name > b.cache.name)),
  size: (a, b) => b.cache.objectSize - a.cache.objectSize,
  allocated: (a, b) => allocatedOf(b.usage) - allocatedOf(a.usage),
  total: (a, b) => b.usage.total - a.usage.total,
  slabs: (a, b) => b.usage.slabs - a.usage.slabs,
  memory: (a, b) => b.usage.slabs * b.cache.slabSize - a.usage.slabs * a.cache.slabSize,
};

function allCaches(
  allocator: SlabAllocator,
  pattern: string | undefined,
  { sort }: SlabOptions,
  issues: Issues,
): KernelAnswer {
  const aliases = cacheAliases(allocator.kernel, allocator.caches);
  const caches = allocator.caches.filter(cache => pattern === undefined || isNamed(cache, pattern));
  const rows = caches.map(cache => ({
    cache,
    aliases: aliases.get(cache.address) ?? [],
    usage: allocator.usage(cache, issues),
  }));
  if (sort !== undefined) rows.sort(KEYS[sort]);
  return { json: rows.map(cacheJson), text: () => cacheTable(rows), partial: issues.count > 0 };
}

const cacheJson = ({ cache, usage, aliases }: CacheRow) => ({
  name: cache.name,
  address: cache.address,
  objectSize: cache.objectSize,
  slotSize: cache.slotSize,
  allocated: allocatedOf(usage),
  total: usage.total,
  slabs: usage.slabs,
  allocator: cache.allocator,
  slabSize: cache.slabSize,
  flags: hex(cache.flags),
  refcount: cache.refcount,
  aliases,
});

function* cacheTable(rows: readonly CacheRow[]): Iterable<string> {
  yield 'CACHE               OBJSIZE  ALLOCATED     TOTAL  SLABS  SSIZE  NAME';
  for (const { cache, usage } of rows) {
    const { address, objectSize, slabSize, name } = cache;
    const numbers = `${cell(objectSize, 7)} ${cell(allocatedOf(usage), 10)} ${cell(usage.total, 9)} ${cell(usage.slabs, 6)}`;
    yield `${hex(address).padEnd(18)}  ${numbers} ${cell(`${slabSize / 1024}k`, 6)}  ${printable(name)}`;
  }
}

const aliasLine = ({ aliases }: CacheRow): string[] =>
  aliases.length === 0 ? [] : [`  also ${printable(aliases.join(', '))}`];

const cell = (value: number | string, width: number): string => `${value}`.padStart(width);

function oneCache(
  allocator: SlabAllocator,
  name: string,
  { state }: SlabOptions,
  issues: Issues,
  progress: Progress,
): KernelAnswer {
  const aliases = cacheAliases(allocator.kernel, allocator.caches);
  const isAlias = (one: SlabCache): boolean => aliases.get(one.address)?.includes(name) === true;
  const cache = allocator.caches.find(one => isNamed(one, name)) ?? allocator.caches.find(isAlias);
  if (cache === undefined && ADDRESS.test(name)) return oneObject(allocator, BigInt(name), aliases, issues);
  if (cache === undefined) {
    issues.add('no-such-cache', `no cache is called ${name}, or lies there: a list of all has them`);
    return { json: { cache: null, objects: [] }, text: () => [], partial: true };
  }
  const wanted = new Set((state ?? OBJECT_STATES).map(one => OBJECT_STATES.indexOf(one)));
  const pages = SlabPages.find(allocator, issues, (done, total) => progress.update(done, total));
  progress.stop();
  tellUnread(pages, issues);
  const objects: { address: bigint; state: ObjectState }[] = [];
  const lines: string[] = [];
  const usage = { slabs: 0, total: 0, counts: new Float64Array(OBJECT_STATES.length) };
  for (const { slab: at, first, count, states } of cacheObjects(allocator, pages, cache, issues)) {
    usage.slabs++;
    usage.total += count;
    const from = objects.length;
    for (let i = 0; i < count; i++) {
      usage.counts[states[i]]++;
      if (!wanted.has(states[i])) continue;
      objects.push({ address: allocator.map.toVirtual(first + i * cache.slotSize), state: OBJECT_STATES[states[i]] });
    }
    if (objects.length === from) continue;
    lines.push(`slab ${hex(at)}, ${count} objects:`);
    for (const { address, state: is } of objects.slice(from)) lines.push(`  ${hex(address)}  ${is}`);
  }
  const row = { cache, aliases: aliases.get(cache.address) ?? [], usage };
  const text = () => [...cacheTable([row]), ...aliasLine(row), ...lines];
  return { json: { cache: cacheJson(row), objects }, text, partial: issues.count > 0 };
}

/** Told before any work is done. @throws UsageError */
function refuseOptions(name: string | undefined, { sort, state, objects }: SlabOptions): void {
  const isTable = objects !== true && (name === undefined || isPattern(name));
  if (isTable && state !== undefined)
    throw new UsageError('--state chooses objects: give it with a CACHE or with --objects');
  if (!isTable && sort !== undefined) throw new UsageError('--sort is for the list of caches: objects have an order');
}

const ADDRESS = /^0x[0-9a-f]{1,16}$/i;

/** The object that an address is in. */
function oneObject(
  allocator: SlabAllocator,
  address: bigint,
  aliases: ReadonlyMap<bigint, readonly string[]>,
  issues: Issues,
): KernelAnswer {
  const found = new SlabLookup(allocator, issues).at(address);
  if (found === null) {
    issues.add('no-such-cache', `no cache lies at ${hex(address)}, and no slab that it would be in`);
    return { json: { cache: null, objects: [] }, text: () => [], partial: true };
  }
  const { cache, slab: at, object, offset, state, tracks, cgroup } = found;
  const row = { cache, aliases: aliases.get(cache.address) ?? [], usage: allocator.usage(cache, issues) };
  const named = (track: Track | null | undefined) => (track == null ? null : namedTrack(allocator.kernel, track));
  const who = { allocated: named(tracks?.allocated), freed: named(tracks?.freed) };
  return {
    json: {
      cache: cacheJson(row),
      objects: object === null ? [] : [{ address: object, state }],
      slab: at,
      offset,
      cgroup,
      ...who,
    },
    *text() {
      yield* cacheTable([row]);
      yield* aliasLine(row);
      yield `slab ${hex(at)}:`;
      yield object === null
        ? '  none of its objects'
        : `  ${hex(object)}+${hex(offset ?? 0)}  ${state}${cgroup === null ? '' : `, charged to the cgroup ${cgroup}`}`;
      yield* trackLines(who);
    },
    partial: issues.count > 0,
  };
}

function tellUnread({ unread }: SlabPages, issues: Issues): void {
  if (unread === 0) return;
  issues.add('unreadable-memory-map', `${unread} frames' struct pages cannot be read: slabs may be among them`);
}
