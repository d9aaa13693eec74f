// Swap areas in memory written by hand: two areas and a number that is free, both kinds of inuse_pages, and damage.
import test from 'ava';
import { swapAreas } from 'kdumpling/analysis/swap';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const U32 = int('unsigned int', 4, false);
const S16 = int('short', 2, true);
const S8 = int('signed char', 1, true);
const P = pointerTo({ kind: 'void' });
const words = (name: string, ...members: readonly string[]): Type =>
  compound(
    'struct',
    name,
    members.length * 8,
    members.map((member, i) => [member, P, i * 64] as const),
  );
const LIST = words('list_head', 'next', 'prev');
const PATH = words('path', 'mnt', 'dentry');
const PLIST = compound('struct', 'plist_node', 40, [
  ['prio', INT, 0],
  ['prio_list', LIST, 64],
  ['node_list', LIST, 192],
]);
const PLIST_HEAD = compound('struct', 'plist_head', 16, [['node_list', LIST, 0]]);
/** Up to 6.6 a plain count; since 6.7 a word in which the highest bit but one has a meaning. */
const area = (used: Type): Type =>
  compound('struct', 'swap_info_struct', 96, [
    ['flags', U64, 0],
    ['prio', S16, 64],
    ['type', S8, 80],
    ['list', PLIST, 128],
    ['pages', U32, 448],
    ['inuse_pages', used, 512],
    ['swap_file', P, 576],
  ]);
const TYPES: readonly Type[] = [
  area(U32),
  PLIST_HEAD,
  PATH,
  compound('struct', 'file', 24, [
    ['f_path', PATH, 0],
    ['f_inode', P, 128],
  ]),
  compound('struct', 'inode', 24, [
    ['i_ino', U64, 0],
    ['i_mode', U32, 64],
  ]),
  compound('struct', 'dentry', 80, [
    ['d_hash', words('hlist_bl_node', 'next', 'pprev'), 0],
    ['d_parent', P, 128],
    [
      'd_name',
      compound('struct', 'qstr', 16, [
        ['len', U32, 32],
        ['name', P, 64],
      ]),
      192,
    ],
    ['d_inode', P, 320],
    ['d_op', P, 384],
    ['d_sb', P, 448],
    ['d_fsdata', P, 512],
  ]),
  words('dentry_operations', 'd_dname'),
  words('super_block', 's_type'),
  words('file_system_type', 'name'),
  compound('struct', 'vfsmount', 8, [['mnt_root', P, 0]]),
  compound('struct', 'mount', 24, [
    ['mnt_parent', P, 0],
    ['mnt_mountpoint', P, 64],
    ['mnt', compound('struct', 'vfsmount', 8, [['mnt_root', P, 0]]), 128],
  ]),
];
const S_IFBLK = 0o060600;
const S_IFREG = 0o100600;
const USED = 1;
const WRITEOK = 2;

class MadeSwap {
  readonly memory = new MadeMemory(1 << 14);
  readonly areas: bigint[] = [];
  readonly head: bigint;
  readonly count: bigint;
  readonly total: bigint;
  readonly #array: bigint;
  readonly #root: bigint;
  readonly #mount: bigint;

  constructor() {
    const { memory } = this;
    this.#array = memory.take(8 * 32);
    this.count = memory.take(8);
    this.total = memory.take(8);
    this.head = memory.take(16);
    this.#root = this.dentry('', null);
    const mount = memory.take(24);
    memory.words(mount, mount, this.#root, this.#root);
    this.#mount = mount + 16n;
    this.list();
  }

  dentry(name: string, parent: bigint | null, inode = 0n): bigint {
    const { memory } = this;
    const dentry = memory.take(80);
    const text = memory.take(name.length + 1);
    memory.u8(text, ...new TextEncoder().encode(name));
    memory.words(dentry, 0n, 1n, parent ?? dentry);
    memory.u32(dentry + 28n, name.length);
    memory.words(dentry + 32n, text, inode);
    return dentry;
  }

  /** An area of the next number. */
  area(name: string, mode: number, pages: number, used: number, priority: number, flags = USED | WRITEOK): bigint {
    const { memory } = this;
    const [at, inode, file] = [memory.take(96, 256), memory.take(24), memory.take(24)];
    memory.u32(inode + 8n, mode);
    memory.words(file, this.#mount, this.dentry(name, this.#root, inode), inode);
    const type = this.areas.push(at) - 1;
    memory.words(at, BigInt(flags));
    memory.u8(at + 8n, priority & 0xff, (priority >> 8) & 0xff, type);
    memory.u32(at + 56n, pages);
    memory.u32(at + 64n, used);
    memory.words(at + 72n, file);
    memory.words(this.#array + BigInt(8 * type), at);
    memory.u32(this.count, this.areas.length);
    return at;
  }

  /** swap_active_head leads to these. */
  list(...areas: bigint[]): void {
    const nodes = [this.head, ...areas.map(at => at + 16n + 24n)];
    for (const [i, node] of nodes.entries()) {
      const next = nodes[(i + 1) % nodes.length];
      this.memory.words(node, next);
      this.memory.words(next + 8n, node);
    }
  }

  ask(types = TYPES, holes: readonly bigint[] = []) {
    const issues = new Issues();
    const symbols = {
      swap_info: this.#array,
      nr_swapfiles: this.count,
      swap_active_head: this.head,
      total_swap_pages: this.total,
    };
    const found = swapAreas(this.memory.kernel(types, symbols, holes), issues);
    return { found, codes: issues.list().map(({ code }) => code) };
  }
}

function made(): MadeSwap {
  const swap = new MadeSwap();
  const device = swap.area('sda2', S_IFBLK, 1000, 250, -2, USED | WRITEOK | (1 << 6));
  swap.area('gone', S_IFREG, 0, 0, 0, 0);
  const file = swap.area('a swap', S_IFREG, 500, 500, 300);
  swap.list(file, device);
  swap.memory.words(swap.total, 1500n);
  return swap;
}

test('no swap', t => {
  t.deepEqual(new MadeSwap().ask(), { found: [], codes: [] });
});

test('areas with their files, sizes and priorities; a number that is free is left out', t => {
  const swap = made();
  const { found, codes } = swap.ask();
  t.deepEqual(codes, []);
  t.deepEqual(found, [
    {
      type: 0,
      address: swap.areas[0],
      file: '/sda2',
      kind: 'partition',
      size: 4096000,
      used: 1024000,
      priority: -2,
      flags: ['used', 'writeok', 'blkdev'],
      active: true,
    },
    {
      type: 2,
      address: swap.areas[2],
      file: '/a swap',
      kind: 'file',
      size: 2048000,
      used: 2048000,
      priority: 300,
      flags: ['used', 'writeok'],
      active: true,
    },
  ]);
});

test('a full area has a bit in its count, since 6.13', t => {
  const swap = new MadeSwap();
  const at = swap.area('f', S_IFREG, 10, 0, 1);
  swap.memory.words(at + 64n, (1n << 62n) | 10n);
  swap.list(at);
  swap.memory.words(swap.total, 10n);
  const types = [
    area(compound('struct', 'atomic_long_t', 8, [['counter', int('long', 8, true), 0]])),
    ...TYPES.slice(1),
  ];
  const { found, codes } = swap.ask(types);
  t.deepEqual(codes, []);
  t.is(found[0].used, 40960);
});

test('damage: another number, a list and a count that differ, a number of areas that cannot be', t => {
  const number = made();
  number.memory.u8(number.areas[2] + 10n, 5);
  t.deepEqual(number.ask().codes, ['damaged-swap']);

  const list = made();
  list.list(list.areas[0]);
  t.deepEqual(list.ask().codes, ['swap-not-listed']);
  list.list(list.areas[2], list.areas[0], list.areas[1]);
  t.deepEqual(list.ask().codes, ['swap-not-listed']);

  const total = made();
  total.memory.words(total.total, 7n);
  t.deepEqual(total.ask().codes, ['swap-count']);

  const many = made();
  many.memory.u32(many.count, 0xffff_ffff);
  const { found, codes } = many.ask();
  t.deepEqual(codes, ['damaged-swap']);
  t.is(found.length, 2);
});

test('an area that is not in the dump leaves the others', t => {
  const swap = made();
  const { found, codes } = swap.ask(TYPES, [swap.areas[0]]);
  t.deepEqual(codes, ['unreadable-memory']);
  t.deepEqual(
    found.map(({ type, file, size, active }) => [type, file, size, active]),
    [
      [0, null, null, null],
      [2, '/a swap', 2048000, true],
    ],
  );
});

test('rubbish in any words', t => survives(t, made));
