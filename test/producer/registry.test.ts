// One sequence of register, replace, unregister, overflow and change of back-end for each series; orders, notifications and results written down from the
// sources that the series' files name.
import test from 'ava';
import {
  isRefusal,
  Kmemdump,
  KmemdumpRfc1,
  Meminspect,
  type Refusal,
  type Region,
  type RegionClient,
  SERIES,
} from 'kdumpling/producer';
import { Issues } from 'kdumpling/reader';

const IMAGE = 0xffffffff81000000n;
const LINEAR = 0xffff888000000000n;
const IMAGE_PADDR = 0x1000000;

const maps = {
  translate(vaddr: bigint): number | null {
    if (vaddr >= IMAGE) return Number(vaddr - IMAGE) + IMAGE_PADDR;
    return vaddr >= LINEAR && vaddr < LINEAR + 0x100000000n ? Number(vaddr - LINEAR) : null;
  },
  linearAddress: (paddr: number): bigint | null => LINEAR + BigInt(paddr),
};

/** A back-end that writes down what it is told. */
function recorder(name: string, log: string[], refuse: (region: Region) => Refusal | null = () => null): RegionClient {
  return {
    name,
    register(region) {
      const refusal = refuse(region);
      log.push(`${name}+${region.id}:${region.name}@${region.paddr.toString(16)}/${region.size}`);
      return refusal;
    },
    unregister(region) {
      log.push(`${name}-${region.id}:${region.name}`);
      return null;
    },
  };
}

/** The core image as the registry drives it, written into the same log. */
function header(log: string[]) {
  return {
    prepare: () => ({
      header: { vaddr: LINEAR + 0x9000n, paddr: 0x9000, size: 16000 },
      vmcoreinfo: { vaddr: LINEAR + 0x8000n, paddr: 0x8000, size: 3000 },
    }),
    add(region: Region) {
      log.push(`phdr+${region.id}`);
    },
    remove(region: Region) {
      log.push(`phdr-${region.id}`);
      return true;
    },
  };
}

const result = (value: number | Refusal | null): number | string | null =>
  typeof value === 'number' || value === null ? value : value.errno;
const codes = (issues: Issues): string[] => issues.list().map(({ code }) => code);
const ids = (regions: readonly Region[]): number[] => regions.map(({ id }) => id);

test('kmemdump RFC v1: cyclic IDs, one back-end, 512 zones, handles of 7 letters', t => {
  const log: string[] = [];
  const issues = new Issues();
  let noMemory = false;
  const registry = new KmemdumpRfc1({ maps, issues, outOfMemory: () => noMemory }, header(log));
  // Without a back-end zones wait.
  t.is(registry.register('early', LINEAR + 0x100n, 10), 0);
  t.is(registry.register('node_states', IMAGE + 0x200n, 20), 1);
  t.deepEqual(log, []);
  t.is(result(registry.registerBackend(null)), 'EINVAL');
  // Header and VMCOREINFO first, both with ID 0; then what the series itself registers; then what waited, its handle cut to 7.
  const a = recorder('a', log);
  t.is(
    registry.registerBackend(a, () => t.is(registry.register('node_states', IMAGE + 0x300n, 8), 2)),
    null,
  );
  t.deepEqual(log.splice(0), [
    'a+0:ELF@9000/16000',
    'a+0:vmcoreinfo@8000/3000',
    'a+2:node_states@1000300/8',
    'phdr+2',
    'a+0:early@100/10',
    'phdr+0',
    'a+1:node_st@1000200/20',
    'phdr+1',
  ]);
  t.is(result(registry.registerBackend(recorder('b', log))), 'EALREADY');
  // The caller's pointer is what is kept.
  t.is(registry.regions()[1].vaddr, IMAGE + 0x200n);
  t.is(registry.regions()[1].minidump?.name, 'K1node_st');
  // A freed ID comes back only after all others.
  registry.unregister(1);
  t.deepEqual(log.splice(0), ['a-1:node_st', 'phdr-1']);
  t.is(registry.register('next', LINEAR, 4), 3);
  log.length = 0;
  // Overflow: 512 IDs; the one that was freed is the last to be given.
  for (let id = 4; id < 512; id++) t.is(registry.register('fill', LINEAR, 4), id);
  t.is(registry.register('again', LINEAR, 4), 1);
  t.is(result(registry.register('over', LINEAR, 4)), 'ENOSPC');
  noMemory = true;
  t.is(result(registry.register('none', LINEAR, 4)), 'ENOMEM');
  noMemory = false;
  // Change of back-end: another one is ignored, the own one gives everything back; the next gets all in ID order.
  log.length = 0;
  registry.unregisterBackend(recorder('b', log));
  t.deepEqual(log, []);
  registry.unregisterBackend(a);
  t.deepEqual(log.slice(0, 4), ['a-0:early', 'phdr-0', 'a-1:again', 'phdr-1']);
  log.length = 0;
  // A refusal ends the hand-over; what was refused keeps its ID.
  const picky = recorder('p', log, ({ id }) => (id === 2 ? { errno: 'EINVAL', message: 'no' } : null));
  t.is(registry.registerBackend(picky), null);
  t.deepEqual(
    log.filter(line => line.startsWith('p+')),
    ['p+0:ELF@9000/16000', 'p+0:vmcoreinfo@8000/3000', 'p+0:early@100/10', 'p+1:again@0/4', 'p+2:node_st@1000300/8'],
  );
  t.is(registry.regions().length, 512);
  registry.unregister(600);
  t.deepEqual(new Set(codes(issues)), new Set(['lock-left-locked', 'backend-refused']));
});

test('kmemdump RFC v1: a registration that the back-end refuses keeps its ID', t => {
  const log: string[] = [];
  const registry = new KmemdumpRfc1({ maps, issues: new Issues() });
  registry.registerBackend(recorder('a', log, () => ({ errno: 'ENOSPC', message: 'full' })));
  t.is(result(registry.register('x', LINEAR, 4)), 'ENOSPC');
  t.deepEqual(ids(registry.regions()), [0]);
  t.is(result(registry.register('y', 0x1000n, 4)), 'EINVAL');
});

for (const series of ['kmemdump-rfc2', 'kmemdump-rfc3'] as const) {
  const dynamic = series === 'kmemdump-rfc2' ? 50 : 49;

  test(`${series}: fixed IDs, errno results, a default back-end`, t => {
    const log: string[] = [];
    const issues = new Issues();
    const registry = new Kmemdump(series, { maps, issues }, header(log));
    t.is(registry.noId, dynamic);
    t.is(registry.backendName, 'default');
    t.is(registry.registerId(11, IMAGE + 0x40n, 100), 11);
    t.is(registry.register(LINEAR + 0x100n, 30), dynamic);
    t.is(registry.register(LINEAR + 0x200n, 30), dynamic + 1);
    // Limits and results.
    t.is(result(registry.registerId(11, LINEAR, 4)), 'EALREADY');
    t.is(result(registry.registerId(-1, LINEAR, 4)), 'EINVAL');
    t.is(result(registry.registerId(201, LINEAR, 4)), 'ENOSPC');
    t.is(result(registry.registerId(12, 0x1000n, 4)), 'EINVAL');
    t.deepEqual(log, []);
    // late_initcall: program headers in ID order, header and VMCOREINFO without one.
    t.is(registry.registerId(2, LINEAR + 0x8000n, 3000), 2);
    registry.lateInit();
    t.deepEqual(log.splice(0), ['phdr+11', `phdr+${dynamic}`, `phdr+${dynamic + 1}`]);
    // Later ones are appended as they come.
    t.is(registry.registerId(4, LINEAR + 0x300n, 8), 4);
    t.is(registry.replace(11, LINEAR + 0x400n, 8), 11);
    registry.unregister(dynamic);
    registry.unregister(dynamic);
    t.is(registry.register(LINEAR + 0x500n, 8), dynamic);
    t.deepEqual(log.splice(0), ['phdr+4', 'phdr-11', 'phdr+11', `phdr-${dynamic}`, `phdr+${dynamic}`]);
    // A back-end takes all in ID order; another one takes over from it, in ID order too.
    const a = recorder('a', log);
    t.is(registry.registerBackend(a), null);
    const all = [
      '1:ELF@9000/16000',
      '2:VMCOREINFO@8000/3000',
      '4:MEMSECT@300/8',
      '11:linux_banner@400/8',
      `${dynamic}:@500/8`,
      `${dynamic + 1}:@200/30`,
    ];
    t.deepEqual(
      log.splice(0),
      all.map(line => `a+${line}`),
    );
    const b = recorder('b', log, ({ id }) => (id === 4 ? { errno: 'EEXIST', message: 'no' } : null));
    t.is(registry.registerBackend(b), null);
    t.deepEqual(log.splice(0), [...all.map(line => `a-${line.replace(/@.*/, '')}`), ...all.map(line => `b+${line}`)]);
    t.true(ids(registry.regions()).includes(4), 'what a new back-end refuses stays registered');
    t.is(result(registry.registerBackend(null)), 'EINVAL');
    // What a back-end refuses at once is not registered.
    const full = recorder('f', log, () => ({ errno: 'ENOSPC', message: 'full' }));
    registry.registerBackend(full);
    t.is(result(registry.registerId(30, LINEAR, 4)), 'ENOSPC');
    t.false(ids(registry.regions()).includes(30));
    registry.unregisterBackend(a);
    t.is(registry.backendName, 'f');
    log.length = 0;
    registry.unregisterBackend(full);
    t.is(registry.backendName, 'default');
    t.deepEqual(
      log,
      all.map(line => `f-${line.replace(/@.*/, '')}`),
    );
    // Overflow: the dynamic IDs end with 200.
    for (let id = dynamic + 2; id <= 200; id++) t.is(registry.register(LINEAR, 4), id);
    t.is(result(registry.register(LINEAR, 4)), 'ENOSPC');
    // The caller's pointer is kept.
    t.is(registry.regions().find(({ id }) => id === 4)?.vaddr, LINEAR + 0x300n);
  });
}

test('kmemdump RFC v2: annotations are registered at late_initcall, so a taken ID wins', t => {
  const log: string[] = [];
  const issues = new Issues();
  const registry = new Kmemdump('kmemdump-rfc2', { maps, issues }, header(log));
  registry.annotate(27, IMAGE + 0x1000n, 64);
  registry.annotate(11, IMAGE + 0x40n, 100);
  t.is(registry.registerId(27, LINEAR + 0x700n, 128), 27);
  registry.lateInit();
  t.deepEqual(codes(issues), ['annotation-refused']);
  t.deepEqual(
    registry.regions().map(({ id, paddr }) => [id, paddr]),
    [
      [1, 0x9000],
      [11, 0x1000040],
      [27, 0x700],
    ],
  );
  t.deepEqual(log, ['phdr+11', 'phdr+27']);
  t.throws(() => new Kmemdump('kmemdump-rfc3', { maps, issues }).annotate(1, 0n, 1), { instanceOf: TypeError });
});

for (const series of ['meminspect-v1', 'meminspect-v2', 'meminspect-v3'] as const) {
  const filled = series === 'meminspect-v3';

  test(`${series}: silent, replacing, several listeners`, t => {
    const log: string[] = [];
    const issues = new Issues();
    const registry = new Meminspect(series, { maps, issues }, header(log));
    t.is(registry.dynamicId, 44);
    const listener = (action: string, region: Region) => log.push(`n1 ${action} ${region.id}`);
    const second = (action: string, region: Region) => log.push(`n2 ${action} ${region.id}`);
    t.is(registry.notifierRegister(listener), null);
    t.is(result(registry.notifierRegister(listener)), 'EEXIST');
    t.is(result(registry.notifierUnregister(second)), 'ENOENT');
    // Before late_initcall: listeners hear at once, there is no header yet. What is registered at run time gets its linear address.
    registry.registerVa(IMAGE + 0x100n, 30);
    registry.registerPa(0x2000, 40);
    registry.registerIdVa(2, LINEAR + 0x8000n, 3001);
    t.deepEqual(log.splice(0), ['n1 add 44', 'n1 add 45', 'n1 add 2']);
    // Annotations keep the image's address; of two for one ID the last counts; they overwrite without a word.
    registry.annotate(11, IMAGE + 0x40n, 100);
    registry.annotate(11, IMAGE + 0x80n, 101);
    registry.annotate(10, IMAGE + 0x90n, 8);
    registry.lateInit();
    t.deepEqual(log.splice(0), [
      'n1 add 1',
      'phdr+10',
      'phdr+11',
      'phdr+44',
      'phdr+45',
      ...[1, 2, 10, 11, 44, 45].map(id => `n1 add ${id}`),
    ]);
    const seen: Region[] = [];
    registry.traverse(region => seen.push(region));
    t.deepEqual(
      seen.map(({ id, vaddr, paddr, size }) => [id, vaddr, paddr, size]),
      [
        [1, LINEAR + 0x9000n, 0x9000, 16000],
        [2, LINEAR + 0x8000n, 0x8000, 3001],
        [10, IMAGE + 0x90n, 0x1000090, 8],
        [11, IMAGE + 0x80n, 0x1000080, 101],
        [44, LINEAR + 0x1000100n, 0x1000100, 30],
        [45, LINEAR + 0x2000n, 0x2000, 40],
      ],
    );
    // Replace: the old entry is unregistered first. The header changes before listeners hear of a new one, after they heard of a lost one.
    registry.notifierRegister(second);
    registry.registerIdPa(45, 0x3000, 50);
    t.deepEqual(log.splice(0), ['n1 remove 45', 'n2 remove 45', 'phdr-45', 'phdr+45', 'n1 add 45', 'n2 add 45']);
    registry.notifierUnregister(second);
    // Unregister by each key.
    registry.unregisterPa(0x3000, 51);
    t.deepEqual(log, [], 'address and size must both be equal');
    registry.unregisterPa(0x3000, 50);
    registry.unregisterVa(IMAGE + 0x100n, 30);
    registry.unregisterId(44);
    t.deepEqual(log.splice(0), ['n1 remove 45', 'phdr-45', 'n1 remove 44', 'phdr-44']);
    // The lowest free dynamic ID.
    registry.registerPa(0x4000, 4);
    t.deepEqual(log.splice(0), ['phdr+44', 'n1 add 44']);
    // An annotation is found by its address only where the entry has one; else its program header stays too.
    registry.unregisterPa(0x1000090, 8);
    t.deepEqual(log.splice(0), filled ? ['n1 remove 10', 'phdr-10'] : []);
    registry.unregisterId(11);
    t.deepEqual(log.splice(0), filled ? ['n1 remove 11', 'phdr-11'] : ['n1 remove 11']);
    t.is(issues.has('stale-header-entry'), !filled);
    // Overflow and IDs out of range: nothing is returned, nothing is kept, an issue tells.
    const before = issues.count;
    for (let id = 45; id <= 200; id++) registry.registerPa(id * 0x1000, 4);
    registry.registerPa(0x100000, 4);
    registry.registerIdPa(0, 0x1000, 4);
    registry.registerIdPa(201, 0x1000, 4);
    registry.registerIdVa(9, 0x10n, 4);
    t.is(issues.count - before, 4);
    t.is(codes(issues).filter(code => code === 'registration-dropped').length, 4);
    // A driver that comes takes what is there in ID order and then hears; when it goes it gives back.
    log.length = 0;
    registry.notifierUnregister(listener);
    const detach = registry.attach(recorder('md', log));
    const there = log.splice(0).map(line => Number(/\+(\d+)/.exec(line)?.[1]));
    const annotated = filled ? [1, 2] : [1, 2, 10];
    t.deepEqual(there, [...annotated, ...Array.from({ length: 157 }, (_, i) => 44 + i)]);
    registry.unregisterId(200);
    t.deepEqual(log.splice(0), ['md-200:', 'phdr-200']);
    detach();
    t.is(log.length, there.length - 1);
    log.length = 0;
    registry.registerIdPa(200, 0x5000, 4);
    t.deepEqual(log, ['phdr+200']);
  });
}

test('the drivers name IDs as their string tables do', t => {
  const name = (series: 'kmemdump-rfc3' | 'meminspect-v1' | 'meminspect-v3', id: number): string => {
    const registry = series === 'kmemdump-rfc3' ? null : new Meminspect(series, { maps, issues: new Issues() });
    let found = '';
    if (registry !== null) {
      registry.registerIdPa(id, 0x1000, 4);
      registry.traverse(region => {
        found = region.minidump?.name ?? '';
      });
      return found;
    }
    const kmemdump = new Kmemdump('kmemdump-rfc3', { maps, issues: new Issues() });
    kmemdump.registerId(id, LINEAR, 4);
    return kmemdump.regions()[0].minidump?.name ?? '';
  };
  t.is(name('meminspect-v3', 11), 'Klinux_ba');
  t.is(name('meminspect-v3', 2), 'Kvmcorein');
  t.is(name('meminspect-v3', 23), 'Kprb_desc');
  // The table says tk_data for _sinittext, and nothing for tk_data.
  t.is(name('meminspect-v3', 29), 'Ktk_data');
  t.is(name('meminspect-v3', 43), 'Kunknown');
  t.is(name('meminspect-v1', 4), 'Ktotalram');
  t.is(name('meminspect-v1', 60), 'Kunknown');
  t.is(name('kmemdump-rfc3', 24), 'Kprb');
  t.is(name('kmemdump-rfc3', 31), 'Kinit_mm_');
  t.is(name('kmemdump-rfc3', 32), 'Kunknown');
});

test('the IDs of each series', t => {
  const id = (series: keyof typeof SERIES, suffix: string) => SERIES[series].names.indexOf(suffix);
  const v3 = {
    ELF: 1,
    VMCOREINFO: 2,
    CONFIG: 3,
    _totalram_pages: 4,
    __cpu_possible_mask: 5,
    __cpu_active_mask: 8,
    mem_section: 9,
    jiffies_64: 10,
    linux_banner: 11,
    nr_threads: 12,
    total_nr_irqs: 13,
    tainted_mask: 14,
    taint_flags: 15,
    node_states: 16,
    __per_cpu_offset: 17,
    nr_swapfiles: 18,
    init_uts_ns: 19,
    printk_rb_static: 20,
    printk_rb_dynamic: 21,
    prb: 22,
    prb_descs: 23,
    prb_infos: 24,
    prb_data: 25,
    clear_seq: 26,
    high_memory: 27,
    init_mm: 28,
    _sinittext: 29,
    _etext: 34,
    kallsyms_num_syms: 35,
    kallsyms_offsets: 36,
    kallsyms_seqs_of_names: 41,
    swapper_pg_dir: 42,
    tk_data: 43,
  };
  for (const [suffix, number] of Object.entries(v3)) t.is(id('meminspect-v3', suffix), number, suffix);
  const v1 = {
    nr_irqs: 13,
    prb_data: 25,
    high_memory: 26,
    init_mm: 27,
    init_mm_pgd: 28,
    _sinittext: 29,
    kallsyms_num_syms: 35,
    kallsyms_relative_base: 36,
    kallsyms_offsets: 37,
    kallsyms_seqs_of_names: 42,
    swapper_pg_dir: 43,
  };
  for (const series of ['meminspect-v1', 'meminspect-v2'] as const) {
    for (const [suffix, number] of Object.entries(v1)) t.is(id(series, suffix), number, suffix);
  }
  const rfc3 = {
    CONFIG: 3,
    MEMSECT: 4,
    _totalram_pages: 5,
    __cpu_possible_mask: 6,
    jiffies_64: 10,
    linux_banner: 11,
    nr_threads: 12,
    nr_irqs: 13,
    tainted_mask: 14,
    taint_flags: 15,
    mem_section: 16,
    node_data: 17,
    node_states: 18,
    __per_cpu_offset: 19,
    nr_swapfiles: 20,
    init_uts_ns: 21,
    printk_rb_static: 22,
    printk_rb_dynamic: 23,
    prb: 24,
    prb_descs: 25,
    prb_infos: 26,
    prb_data: 27,
    runqueues: 28,
    high_memory: 29,
    init_mm: 30,
    init_mm_pgd: 31,
    _sinittext: 32,
    _etext: 37,
    kallsyms_num_syms: 38,
    kallsyms_seqs_of_names: 45,
    swapper_pg_dir: 46,
  };
  for (const series of ['kmemdump-rfc2', 'kmemdump-rfc3'] as const) {
    for (const [suffix, number] of Object.entries(rfc3)) t.is(id(series, suffix), number, suffix);
  }
  t.is(id('kmemdump-rfc2', 'init_uts_ns_name'), 47);
  t.false(isRefusal(47));
});
