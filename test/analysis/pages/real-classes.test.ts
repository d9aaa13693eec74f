// On real dumps of every architecture: the pages of a class, by the marks in the memory map alone and with VMCOREINFO alone, are as many as the kernel itself had counted.
import { openKernel } from 'kdumpling/analysis';
import { droppedFrames, hugePools, nodeCounters, nodeSpans, zones } from 'kdumpling/analysis/pages';
import { Issues } from 'kdumpling/reader';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realVmlinux } from '../../real.js';

/** Those without BTF, or without symbols of data, get them for the counters from a vmlinux. */
const DUMPS: readonly (readonly [name: string, isEnough: boolean])[] = [
  ['x86_64-6.1', true],
  ['x86_64-7.3', true],
  ['trace-6.1', true],
  ['arm64-6.1', false],
  ['i386-6.1', false],
  ['ppc64le-6.1', false],
  ['s390x-6.1', false],
];

for (const [name, isEnough] of DUMPS) {
  const files = isEnough ? [realDump(`${name}.elf`)] : [realDump(`${name}.elf`), realVmlinux(name)];
  realTest(`${name}: free, cache and user pages are as many as the kernel counted`, files, async t => {
    const dump = await openFile({ kind: 'files', paths: [realDump(`${name}.elf`)] });
    const alone = await openKernel(dump);
    const issues = new Issues();
    const { counts, unknown } = droppedFrames(alone, 31, dump.physical.extents, issues);
    const vmlinux = isEnough ? null : new FileSource(realVmlinux(name));
    const kernel = vmlinux === null ? alone : await openKernel(dump, { vmlinux });
    const exact = new Map<string, number>();
    const add = (counters: readonly { name: string; value: number; pending: number | null }[]): void => {
      for (const { name: key, value, pending } of counters)
        exact.set(key, (exact.get(key) ?? 0) + value + (pending ?? 0));
    };
    for (const { counters } of zones(kernel, issues)) add(counters ?? []);
    for (const { counters } of nodeCounters(kernel, nodeSpans(kernel, issues), issues)) add(counters);
    t.is(counts.free, exact.get('NR_FREE_PAGES') ?? -1);
    t.is(counts.cache + counts.cachePrivate, (exact.get('NR_FILE_PAGES') ?? -1) - (exact.get('NR_SWAPCACHE') ?? 0));
    // Pages of hugetlbfs, free ones too, go with user memory and are no anonymous memory to the kernel.
    const pools = kernel.symbol('hugetlb_max_hstate') === null ? [] : hugePools(kernel, issues);
    const huge = pools.reduce((sum, { pages, pageSize }) => sum + pages * (pageSize / dump.pageSize), 0);
    const user = (exact.get('NR_ANON_MAPPED') ?? -1) + huge;
    t.true(counts.user >= user && counts.user <= user * 1.001 + LAST_UNMAPPED, `${counts.user} of ${user}`);
    t.true(unknown <= DEVICE_FRAMES);
    vmlinux?.close();
    dump.close();
  });
}

/** Anonymous pages that nothing maps any more wait on each CPU for the end of a batch. */
const LAST_UNMAPPED = 64;
/** The BIOS at 0xfffc0000, and the display's memory at 0xfd000000. */
const DEVICE_FRAMES = 64 + 4096;
