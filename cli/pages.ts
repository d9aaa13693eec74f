// kdumpling pages: what memory is used for: in all, by zone, by free list, and page by page.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import {
  type FreeList,
  frameOfAddress,
  freeLists,
  memoryMap,
  memoryTotals,
  type PageDetail,
  PageDetails,
  type Zone,
  zones,
} from 'kdumpling/analysis/pages';
import type { Issues } from 'kdumpling/reader';
import { parseAddress } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { address } from './json.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';
import { freeListsText, pageTable, pageText, totalsText, zonesText } from './pages-text.js';
import { incomplete } from './process-command.js';

interface PagesOptions extends KernelOptions {
  readonly zones?: boolean;
  readonly free?: boolean;
  readonly all?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('What memory is used for: in all, or of single pages.')
      .argument('<dump>', DUMP_HELP)
      .argument(
        '[page...]',
        'a page: the decimal number of its frame; or an address, 0x… or SYMBOL: of its struct page, a virtual one, else physical',
      )
      .option('--zones', 'zones: sizes, watermarks, free blocks, counters')
      .option('--free', 'the free lists of all zones')
      .option('--all', 'one line for each page that has a struct page'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling pages vmcore\n  kdumpling pages vmcore init_task 9029\n  kdumpling pages vmcore --zones --json',
    )
    .action((dump: string, pages: string[], options: PagesOptions) => pagesCommand(context, dump, pages, options));

function pagesCommand(context: CommandContext, dump: string, pages: string[], options: PagesOptions): Promise<void> {
  const asked = [pages.length > 0, options.zones === true, options.free === true, options.all === true];
  if (asked.filter(Boolean).length > 1) throw new UsageError('give pages, or one of --zones, --free and --all');
  if (pages.length > 0) return answer(context, dump, options, (kernel, issues) => ofPages(kernel, pages, issues));
  if (options.zones === true) return answer(context, dump, options, ofZones);
  if (options.free === true) return answer(context, dump, options, ofFreeLists);
  if (options.all === true) {
    return answer(context, dump, options, (kernel, issues) => ofAll(kernel, options.json === true, issues));
  }
  return answer(context, dump, options, ofTotals, EMPTY_TOTALS);
}

function answer(
  context: CommandContext,
  dump: string,
  options: PagesOptions,
  ask: (kernel: Kernel, issues: Issues) => KernelAnswer,
  empty: KernelAnswer['json'] = [],
): Promise<void> {
  return answerFromKernel(context, [dump], options, empty, ask);
}

const EMPTY_TOTALS = {
  pageSize: null,
  total: null,
  free: null,
  used: null,
  shared: null,
  buffers: null,
  cached: null,
  slab: null,
  swap: null,
  hugePools: null,
  commit: null,
};

function ofTotals(kernel: Kernel, issues: Issues): KernelAnswer {
  const totals = memoryTotals(kernel, issues);
  const { pageSize } = kernel;
  return {
    json: { pageSize, ...totals },
    text: () => totalsText(totals, pageSize),
    partial: Object.values(totals).includes(null),
  };
}

function ofZones(kernel: Kernel, issues: Issues): KernelAnswer {
  const rows: readonly Zone[] = [...zones(kernel, issues)];
  return { json: rows, text: () => zonesText(rows), partial: incomplete(issues) };
}

function ofFreeLists(kernel: Kernel, issues: Issues): KernelAnswer {
  const rows: readonly FreeList[] = [...freeLists(kernel, issues)];
  return { json: rows, text: () => freeListsText(rows, kernel.pageSize), partial: incomplete(issues) };
}

const jsonPage = (page: PageDetail) => ({ ...page, physical: address(page.physical) });

function ofPages(kernel: Kernel, texts: readonly string[], issues: Issues): KernelAnswer {
  const details = new PageDetails(kernel, issues);
  const frames = texts.map(text => frameOf(kernel, details, text));
  const rows = frames.flatMap((pfn, i) => {
    const row = pfn < 0 ? null : details.of(pfn);
    if (row !== null) return [row];
    const there = pfn >= 0 && details.pages.address(pfn) !== null;
    const why = there ? details.pages.fault.toError().message : 'there is no such frame with a struct page';
    issues.add('no-such-page', `${texts[i]}: ${why}`);
    return [];
  });
  return { json: rows.map(jsonPage), text: () => pageText(rows), partial: incomplete(issues) };
}

function frameOf(kernel: Kernel, { pages }: PageDetails, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  return frameOfAddress(kernel, pages, parseAddress(text, () => kernel.symbols).address);
}

/** One JSON value has to fit one string. */
const MOST_JSON_FRAMES = 2 ** 21;

function ofAll(kernel: Kernel, json: boolean, issues: Issues): KernelAnswer {
  const details = new PageDetails(kernel, issues);
  const { pieces } = memoryMap(kernel);
  const frames = pieces.reduce((sum, { startPfn, endPfn }) => sum + endPfn - startPfn, 0);
  if (json && frames > MOST_JSON_FRAMES)
    throw new UsageError(`${frames} pages are too many for one JSON value: leave --json out, or name pages`);
  const rows = function* (): Iterable<PageDetail> {
    let lost = 0;
    for (const { startPfn, endPfn } of pieces) {
      for (let pfn = startPfn; pfn < endPfn; pfn++) {
        const row = details.of(pfn);
        if (row !== null) yield row;
        else if (details.pages.fault.reason !== 'not-present') lost++;
      }
    }
    if (lost > 0) issues.add('unreadable-pages', `${lost} pages are left out: their struct pages are not in the dump`);
  };
  return {
    json: json ? Array.from(rows(), shortPage) : [],
    text: () => pageTable(rows()),
    get partial() {
      return incomplete(issues);
    },
  };
}

const shortPage = ({ pfn, flags, refcount, mapcount, mapping, index, use, compound }: PageDetail) => ({
  pfn,
  flags,
  refcount,
  mapcount,
  mapping,
  index,
  use,
  head: compound?.head ?? null,
});
