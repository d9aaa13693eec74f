// What `pages` prints for people: columns that users of crash know (kmem -i, -z, -f, -p).
import type { FreeList, MemoryTotals, PageDetail, VmCounter, Zone } from 'kdumpling/analysis/pages';

const UNKNOWN = '?';
const plain = (value: bigint): string => value.toString(16);

function sizeText(pages: number, pageSize: number): string {
  const bytes = pages * pageSize;
  if (bytes === 0) return '0';
  const unit = bytes >= 2 ** 30 ? ['GB', 2 ** 30] : bytes >= 2 ** 20 ? ['MB', 2 ** 20] : ['KB', 1024];
  return `${(bytes / Number(unit[1])).toFixed(1)} ${unit[0]}`;
}

type Line = readonly [name: string, pages: number | null, of: number | null, ofName: string];

export function* totalsText(totals: MemoryTotals, pageSize: number): Iterable<string> {
  const { total, free, used, shared, buffers, cached, slab, swap, hugePools, commit } = totals;
  yield `${''.padStart(13)}${'PAGES'.padStart(11)}${'TOTAL'.padStart(13)}      PERCENTAGE`;
  const ofMemory: readonly (readonly [string, number | null])[] = [
    ['FREE', free],
    ['USED', used],
    ['SHARED', shared],
    ['BUFFERS', buffers],
    ['CACHED', cached],
    ['SLAB', slab === null ? null : slab.reclaimable + slab.unreclaimable],
  ];
  yield line(['TOTAL MEM', total, null, ''], pageSize);
  for (const [name, pages] of ofMemory) yield line([name, pages, total, 'TOTAL MEM'], pageSize);
  yield '';
  const huge = (count: 'pages' | 'free'): number | null =>
    hugePools?.reduce((sum, pool) => sum + pool[count] * (pool.pageSize / pageSize), 0) ?? null;
  yield line(['TOTAL HUGE', huge('pages'), null, ''], pageSize);
  yield line(['HUGE FREE', huge('free'), huge('pages'), 'TOTAL HUGE'], pageSize);
  yield '';
  const swapTotal = swap?.total ?? null;
  yield line(['TOTAL SWAP', swapTotal, null, ''], pageSize);
  yield line(['SWAP USED', swap === null ? null : swap.total - swap.free, swapTotal, 'TOTAL SWAP'], pageSize);
  yield line(['SWAP FREE', swap?.free ?? null, swapTotal, 'TOTAL SWAP'], pageSize);
  yield '';
  const limit = commit?.limit ?? null;
  yield line(['COMMIT LIMIT', limit, null, ''], pageSize);
  yield line(['COMMITTED', commit?.committed ?? null, limit, 'TOTAL LIMIT'], pageSize);
}

function line([name, pages, of, ofName]: Line, pageSize: number): string {
  const start = `${name.padStart(13)}${(pages === null ? UNKNOWN : String(pages)).padStart(11)}`;
  const size = (pages === null ? UNKNOWN : sizeText(pages, pageSize)).padStart(13);
  if (ofName === '') return `${start}${size}         ----`;
  const share = pages === null || of === null ? UNKNOWN : of === 0 ? '0' : String(Math.floor((pages * 100) / of));
  return `${start}${size}${share.padStart(5)}% of ${ofName}`;
}

const shown = (value: number | null): string => (value === null ? UNKNOWN : String(value));

export function* zonesText(zones: readonly Zone[]): Iterable<string> {
  for (const zone of zones) {
    const { node, index, address, name, spanned, present, managed, watermarks, boost } = zone;
    yield `NODE: ${node}  ZONE: ${index}  ADDR: ${plain(address)}  NAME: ${JSON.stringify(name ?? UNKNOWN)}`;
    if (spanned === 0) {
      yield '  [unpopulated]';
      yield '';
      continue;
    }
    const marks = watermarks === null ? UNKNOWN : `${watermarks.min}/${watermarks.low}/${watermarks.high}`;
    const boosted = boost === 0 ? '' : `  BOOST: ${boost}`;
    yield `  SIZE: ${shown(spanned)}  PRESENT: ${shown(present)}  MANAGED: ${shown(managed)}  MIN/LOW/HIGH: ${marks}${boosted}`;
    yield `  START: ${shown(zone.startPfn)}`;
    yield `  FREE BLOCKS BY ORDER: ${zone.freeBlocks?.join(' ') ?? UNKNOWN}`;
    yield `  KEPT BY CPUS: ${zone.perCpuFree?.map(({ cpu, pages }) => `${cpu}: ${pages}`).join(', ') ?? UNKNOWN}`;
    yield '  VM_STAT:';
    yield* counterLines(zone.counters ?? []);
    yield '';
  }
}

function* counterLines(counters: readonly VmCounter[]): Iterable<string> {
  const width = Math.max(0, ...counters.map(({ name }) => name.length));
  for (const { name, value, pending } of counters) {
    const more = pending === null ? ' (and what CPUs keep: unknown)' : pending === 0 ? '' : ` (and by CPUs ${pending})`;
    yield `  ${name.padStart(width)}: ${value}${more}`;
  }
}

export function* freeListsText(lists: readonly FreeList[], pageSize: number): Iterable<string> {
  let zone = '';
  for (const { node, zone: index, order, migrateType, migrateName, address, blocks, pages } of lists) {
    const here = `NODE: ${node}  ZONE: ${index}`;
    if (here !== zone) {
      if (zone !== '') yield '';
      zone = here;
      yield here;
      yield `AREA    SIZE  ${'FREE_LIST'.padEnd(16)}  ${'TYPE'.padEnd(12)}   BLOCKS    PAGES`;
    }
    const size = `${(2 ** order * pageSize) / 1024}k`;
    const name = (migrateName ?? String(migrateType)).padEnd(12);
    yield `${String(order).padStart(3)}${size.padStart(10)} ${plain(address).padStart(16)}  ${name} ${String(blocks).padStart(8)} ${String(pages).padStart(8)}`;
  }
}

const HEADING = `${'PAGE'.padStart(16)} ${'PHYSICAL'.padStart(12)} ${'MAPPING'.padStart(16)} ${'INDEX'.padStart(9)} CNT FLAGS`;

function pageLine({ page, physical, mapping, index, refcount, flags, flagNames }: PageDetail): string {
  const names = flagNames.length === 0 ? '' : ` ${flagNames.join(',')}`;
  const place = `${plain(page).padStart(16)} ${physical.toString(16).padStart(12)} ${plain(mapping).padStart(16)}`;
  return `${place} ${(index === null ? UNKNOWN : plain(index)).padStart(9)} ${String(refcount).padStart(3)} ${plain(flags)}${names}`;
}

export function* pageTable(rows: Iterable<PageDetail>): Iterable<string> {
  yield HEADING;
  for (const row of rows) yield pageLine(row);
}

export function* pageText(rows: readonly PageDetail[]): Iterable<string> {
  for (const [i, row] of rows.entries()) {
    if (i > 0) yield '';
    yield HEADING;
    yield pageLine(row);
    const { pfn, node, zone, zoneName, mapcount, compound, freeBlock } = row;
    yield `  FRAME: ${pfn}  NODE: ${shown(node)}  ZONE: ${zoneName ?? shown(zone)}  MAPCOUNT: ${mapcount}`;
    yield `  USE: ${useText(row)}`;
    if (compound !== null) {
      const part = compound.head === pfn ? 'HEAD OF' : `TAIL ${pfn - compound.head} OF`;
      yield `  ${part} A COMPOUND PAGE: FRAMES ${compound.head} TO ${compound.head + 2 ** compound.order - 1}`;
    }
    if (freeBlock !== null)
      yield `  FREE BLOCK: FRAMES ${freeBlock.pfn} TO ${freeBlock.pfn + 2 ** freeBlock.order - 1}`;
  }
}

function useText({ use, cache, cacheName, inode }: PageDetail): string {
  if (cache !== null) return `${use}, of the cache ${cacheName ?? UNKNOWN} (${plain(cache)})`;
  return inode === null ? (use ?? UNKNOWN) : `${use}, of the inode ${plain(inode)}`;
}
