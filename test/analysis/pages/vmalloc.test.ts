// Areas of vmalloc space in memory written by hand: one list, nodes of 6.9, flags before 5.4, and damage.
import test from 'ava';
import { areaAt, vmallocAreas } from 'kdumpling/analysis/pages';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, int, pointerTo, U64 } from '../made-kernel.js';

const U32 = int('unsigned int', 4, false);
const POINTER = pointerTo({ kind: 'void' });
const LIST = compound('struct', 'list_head', 16, [
  ['next', POINTER, 0],
  ['prev', POINTER, 64],
]);
const VM = compound('struct', 'vm_struct', 64, [
  ['addr', POINTER, 64],
  ['size', U64, 128],
  ['flags', U64, 192],
  ['pages', POINTER, 256],
  ['nr_pages', U32, 320],
  ['phys_addr', U64, 384],
  ['caller', POINTER, 448],
]);
const area = (...more: [string, Type, number][]): Type =>
  compound('struct', 'vmap_area', 64, [
    ['va_start', U64, 0],
    ['va_end', U64, 64],
    ['list', LIST, 128],
    ['vm', POINTER, 256],
    ...more,
  ]);
const RB_LIST = compound('struct', 'rb_list', 32, [['head', LIST, 64]]);
const NODE_SIZE = 96;
const NODE = compound('struct', 'vmap_node', NODE_SIZE, [
  ['busy', RB_LIST, 64],
  ['lazy', RB_LIST, 320],
]);
const [BUSY, LAZY] = [16n, 48n];
const START = 0xffff_c900_0000_0000n;
const CALLER = 0xffff_ffff_8100_0000n;

class MadeAreas {
  readonly memory = new MadeMemory(1 << 15);

  /** An empty list's head. */
  head(at = this.memory.take(16)): bigint {
    this.memory.words(at, at, at);
    return at;
  }

  /** Behind those that are on the list; without `flags` it has no vm_struct. */
  add(head: bigint, page: number, pages: number, flags: bigint | null, array = 0n): bigint {
    const { memory } = this;
    const [object, vm] = [memory.take(64), memory.take(64)];
    const start = START + BigInt(page) * 4096n;
    const size = BigInt(pages) * 4096n;
    const last = memory.word(head + 8n);
    memory.words(object, start, start + size, head, last, flags === null ? 0n : vm, 0n);
    if (flags !== null) {
      memory.words(vm, 0n, start, size, flags, array, 0n, 0n, CALLER);
      memory.u32(vm + 40n, pages - 1);
    }
    memory.words(last, object + 16n);
    memory.words(head + 8n, object + 16n);
    return object;
  }

  ask(symbols: Readonly<Record<string, bigint>>, layout = area(), holes: readonly bigint[] = []) {
    const issues = new Issues();
    const kernel = this.memory.kernel([layout, VM, NODE, LIST], { ...symbols, maker: CALLER }, holes);
    return { areas: vmallocAreas(kernel, issues), codes: issues.list().map(({ code }) => code) };
  }
}

const brief = ({ areas }: ReturnType<MadeAreas['ask']>) =>
  areas.map(({ start, end, kind, pages, flags }) => [
    Number(start - START) / 4096,
    Number(end - start) / 4096,
    kind,
    pages,
    ...flags,
  ]);

test('one list, by address, and what was freed but is still there', t => {
  const made = new MadeAreas();
  const [used, freed] = [made.head(), made.head()];
  made.add(used, 10, 2, 0x2n);
  made.add(used, 0, 3, 0x101n, START + 10n * 4096n + 8n);
  made.add(used, 4, 1, null);
  made.add(freed, 6, 4, 0x2n);
  const found = made.ask({ vmap_area_list: used, purge_vmap_area_list: freed });
  t.deepEqual(found.codes, []);
  t.deepEqual(brief(found), [
    [0, 3, 'area', 2, 'ioremap', 'flush-reset-perms', 'vpages'],
    [4, 1, 'vm_map_ram', null],
    [6, 4, 'unpurged', null],
    [10, 2, 'area', 1, 'vmalloc'],
  ]);
  t.deepEqual(found.areas[0].caller, { address: CALLER, symbol: 'maker', offset: 0, module: null });
  t.is(areaAt(found.areas, START + 3n * 4096n - 1n)?.start, START);
  t.is(areaAt(found.areas, START + 3n * 4096n), null);
  t.is(areaAt(found.areas, START - 1n), null);
});

/** `count` nodes, and where they and their number are. */
function nodes(made: MadeAreas, count: number, told = count) {
  const { memory } = made;
  const first = memory.take(NODE_SIZE * count);
  const [pointer, number] = [memory.take(8), memory.take(4)];
  memory.words(pointer, first);
  memory.u32(number, told);
  const at = (index: number) => first + BigInt(NODE_SIZE * index);
  for (let i = 0; i < count; i++) for (const place of [BUSY, LAZY]) made.head(at(i) + place);
  return { at, symbols: { vmap_nodes: pointer, nr_vmap_nodes: number } };
}

test('since 6.9: lists of every node, put in order', t => {
  const made = new MadeAreas();
  const { at, symbols } = nodes(made, 3);
  made.add(at(2) + BUSY, 5, 2, 0x1000n);
  made.add(at(0) + BUSY, 8, 1, 0x4n);
  made.add(at(1) + LAZY, 1, 3, null);
  const found = made.ask(symbols);
  t.deepEqual(found.codes, []);
  t.deepEqual(brief(found), [
    [1, 3, 'unpurged', null],
    [5, 2, 'area', 1, 'sparse'],
    [8, 1, 'area', 0, 'vmap'],
  ]);
});

test('a number of nodes that cannot be is told', t => {
  const made = new MadeAreas();
  const { at, symbols } = nodes(made, 2, 0xffff_ffff);
  made.add(at(1) + BUSY, 0, 1, 0x2n);
  const found = made.ask(symbols);
  t.deepEqual([found.areas, found.codes], [[], ['damaged-vmap-nodes']]);
});

test('before 5.4 a flag says whether there is a vm_struct', t => {
  const layout = area(['flags', U64, 320], ['purge_list', POINTER, 384]);
  const made = new MadeAreas();
  const used = made.head();
  made.memory.words(made.add(used, 0, 2, 0x2n) + 40n, 4n);
  made.memory.words(made.add(used, 2, 2, 0x2n) + 40n, 0n);
  t.deepEqual(brief(made.ask({ vmap_area_list: used }, layout)), [
    [0, 2, 'area', 1, 'vmalloc'],
    [2, 2, 'vm_map_ram', null],
  ]);
  // The flags of 6.3 are others: vm_map_ram's own.
  t.is(made.ask({ vmap_area_list: used }, area(['flags', U64, 320])).areas[1].kind, 'area');
});

test('areas that overlap or end before they begin, and a vm_struct that is not there', t => {
  const made = new MadeAreas();
  const used = made.head();
  made.add(used, 0, 4, 0x2n);
  made.add(used, 2, 4, 0x2n);
  made.memory.words(made.add(used, 8, 1, null) + 8n, START);
  t.deepEqual(made.ask({ vmap_area_list: used, purge_vmap_area_list: made.head() }).codes, [
    'damaged-vmap-area',
    'damaged-vmap-area',
  ]);
  const lost = new MadeAreas();
  const head = lost.head();
  const object = lost.add(head, 0, 1, 0x2n);
  lost.memory.words(object + 32n, 0xffff_8880_0fff_0000n);
  const { areas, codes } = lost.ask({ vmap_area_list: head, purge_vmap_area_list: lost.head() });
  t.deepEqual([areas, codes], [[], ['unreadable-vmap-area']]);
});

test('freed areas that cannot be found are told', t => {
  const made = new MadeAreas();
  const used = made.head();
  made.add(used, 0, 2, 0x2n);
  const found = made.ask({ vmap_area_list: used });
  t.deepEqual([found.areas.length, found.codes], [1, ['missing-symbol']]);
  const old = made.ask({ vmap_area_list: used }, area(['purge_list', POINTER, 384]));
  t.deepEqual([old.areas.length, old.codes], [1, ['missing-symbol']]);
});

test('from 5.4 to 5.12 freed areas are in a chain', t => {
  const made = new MadeAreas();
  const { memory } = made;
  const used = made.head();
  made.add(used, 0, 2, 0x2n);
  const [one, other, chain] = [memory.take(64), memory.take(64), memory.take(8)];
  memory.words(one, START + 0x8000n, START + 0xa000n, 0n, 0n, 0n, 0n, other + 48n);
  memory.words(other, START + 0x4000n, START + 0x5000n);
  memory.words(chain, one + 48n);
  const found = made.ask({ vmap_area_list: used, vmap_purge_list: chain }, area(['purge_list', POINTER, 384]));
  t.deepEqual(found.codes, []);
  t.deepEqual(brief(found), [
    [0, 2, 'area', 1, 'vmalloc'],
    [4, 1, 'unpurged', null],
    [8, 2, 'unpurged', null],
  ]);
});

test('without the list there is no answer', t => {
  t.throws(() => new MadeAreas().ask({}), { message: /vmap_area_list/ });
});
