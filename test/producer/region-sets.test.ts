// What each series registers, counted and ordered against the reference's table of IDs.
import test from 'ava';
import { REGION_SETS, SERIES, SERIES_NAMES } from 'kdumpling/producer';

/** The IDs that a set's annotations and calls have, in order. */
function idsOf(series: (typeof SERIES_NAMES)[number]): string[] {
  const { early, annotations, withBackend } = REGION_SETS[series];
  return [...early, ...annotations, ...withBackend].flatMap(entry =>
    'id' in entry && entry.id !== null ? [entry.id] : [],
  );
}

for (const series of SERIES_NAMES.filter(name => name !== 'kmemdump-rfc1')) {
  test(`${series}: every ID of the series is registered once, but for those that it reserves`, t => {
    const { names } = SERIES[series];
    const ids = idsOf(series);
    t.deepEqual(
      ids.filter(id => !names.includes(id)),
      [],
      'no ID that the series does not have',
    );
    t.is(new Set(ids).size, ids.length, 'none twice');
    const reserved: Record<string, readonly string[]> = {
      // The core image registers its own header.
      'kmemdump-rfc2': ['ELF'],
      'kmemdump-rfc3': ['ELF'],
      'meminspect-v1': ['ELF', 'init_mm_pgd'],
      'meminspect-v2': ['ELF', 'init_mm_pgd', 'kallsyms_relative_base'],
      'meminspect-v3': ['ELF'],
    };
    t.deepEqual(
      names.slice(1).filter(name => !ids.includes(name)),
      reserved[series],
    );
  });
}

test('annotations are in ID order, so that a header made of them is', t => {
  for (const series of ['kmemdump-rfc2', 'meminspect-v1', 'meminspect-v2', 'meminspect-v3'] as const) {
    const order = REGION_SETS[series].annotations.map(entry =>
      'id' in entry ? SERIES[series].names.indexOf(entry.id ?? '') : -1,
    );
    t.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
      series,
    );
  }
});

test('kmemdump RFC v1: handles in the order of register_coreinfo', t => {
  t.deepEqual(idsOf('kmemdump-rfc1'), [
    'config',
    'utsn',
    'banner',
    'percpu',
    'init_mm',
    'mmpgd',
    'highmem',
    'memsect',
    'memsect',
    'totalram',
    'node_states',
    'nr_threads',
    'cpu_po',
    'cpu_pr',
    'cpu_on',
    'jiffies',
    'log_buf',
    'prb',
    'prb',
    'prb_descs',
    'prb_infos',
    'irq',
    'taint',
    'taintflags',
    'runqueues',
  ]);
  t.deepEqual(REGION_SETS['kmemdump-rfc1'].early, []);
});

test('addresses only: borders of the image, kallsyms tables and the page table are one word', t => {
  const words = [
    '_sinittext',
    '_end',
    '_text',
    '_etext',
    'kallsyms_offsets',
    'kallsyms_seqs_of_names',
    'swapper_pg_dir',
  ];
  for (const entry of REGION_SETS['meminspect-v3'].annotations) {
    if (entry.what !== 'symbol') continue;
    t.is(
      entry.size.of === 'word',
      words.includes(entry.id) ||
        /^(_(s|e)\w*text|kallsyms_(names|token|markers)\w*|prb|_totalram_pages|tainted_mask|high_memory)$/.test(
          entry.id,
        ),
      entry.id,
    );
  }
});
