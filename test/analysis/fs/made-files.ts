// A process made by hand: its directories, mounts, open files and areas, each in a place that a test can damage.
import type { Kernel } from 'kdumpling/analysis';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';

const U32 = int('unsigned int', 4, false);
const P = pointerTo({ kind: 'void' });
type Members = Record<string, readonly [offset: number, type: Type]>;
const record = (name: string, size: number, members: Members): Type =>
  compound(
    'struct',
    name,
    size,
    Object.entries(members).map(([member, [offset, type]]) => [member, type, offset * 8] as const),
  );
const words = (name: string, ...members: readonly string[]): Type =>
  record(name, members.length * 8, Object.fromEntries(members.map((member, i) => [member, [i * 8, P] as const])));

const PATH = words('path', 'mnt', 'dentry');
const HLIST_NODE = words('hlist_bl_node', 'next', 'pprev');
const QSTR = record('qstr', 16, { hash: [0, U32], len: [4, U32], name: [8, P] });
const VFSMOUNT = record('vfsmount', 24, { mnt_root: [0, P], mnt_sb: [8, P], mnt_flags: [16, INT] });
const LIST = words('list_head', 'next', 'prev');
const TYPES: readonly Type[] = [
  PATH,
  VFSMOUNT,
  record('dentry', 80, {
    d_hash: [0, HLIST_NODE],
    d_parent: [16, P],
    d_name: [24, QSTR],
    d_inode: [40, P],
    d_op: [48, P],
    d_sb: [56, P],
    d_fsdata: [64, P],
  }),
  record('mount', 72, {
    mnt_parent: [0, P],
    mnt_mountpoint: [8, P],
    mnt: [16, VFSMOUNT],
    mnt_devname: [40, P],
    mnt_list: [48, LIST],
  }),
  words('dentry_operations', 'd_dname'),
  record('inode', 16, { i_ino: [0, U64], i_private: [8, P] }),
  record('super_block', 24, { s_type: [0, P], s_flags: [8, U64], s_subtype: [16, P] }),
  words('file_system_type', 'name'),
  words('task_struct', 'fs', 'files', 'mm', 'nsproxy'),
  record('fs_struct', 32, { root: [0, PATH], pwd: [16, PATH] }),
  words('files_struct', 'fdt'),
  record('fdtable', 24, { max_fds: [0, U32], fd: [8, P], close_on_exec: [16, P] }),
  record('file', 32, { f_path: [0, PATH], f_flags: [16, U32], f_pos: [24, U64] }),
  words('nsproxy', 'mnt_ns'),
  record('mnt_namespace', 16, { list: [0, LIST] }),
  record('mm_struct', 88, {
    mmap: [0, P],
    pgd: [8, P],
    total_vm: [16, U64],
    start_brk: [24, U64],
    brk: [32, U64],
    start_stack: [40, U64],
    exe_file: [48, P],
  }),
  words(
    'vm_area_struct',
    'vm_start',
    'vm_end',
    'vm_next',
    'vm_flags',
    'vm_pgoff',
    'vm_file',
    'vm_ops',
    'vm_private_data',
  ),
  words('vm_special_mapping', 'name'),
];

export class MadeFiles {
  readonly memory = new MadeMemory(1 << 16);
  readonly task = this.memory.take(32);
  readonly root: bigint;
  readonly rootMount: bigint;
  readonly #superBlock: bigint;

  constructor() {
    this.#superBlock = this.superBlock('tmpfs');
    this.root = this.dentry('/', null);
    this.rootMount = this.mount(this.root, null, null);
    const place = this.memory.take(32);
    this.memory.words(place, this.rootMount + 16n, this.root, this.rootMount + 16n, this.root);
    this.memory.words(this.task, place);
  }

  kernel(holes: readonly bigint[] = []): Kernel {
    return this.memory.kernel(TYPES, {}, holes);
  }

  text(value: string): bigint {
    const bytes = new TextEncoder().encode(`${value}\0`);
    const at = this.memory.take(bytes.length);
    this.memory.u8(at, ...bytes);
    return at;
  }

  record(...values: readonly bigint[]): bigint {
    const at = this.memory.take(values.length * 8);
    this.memory.words(at, ...values);
    return at;
  }

  superBlock(type: string, flags = 0n): bigint {
    return this.record(this.record(this.text(type)), flags, 0n);
  }

  /** @param parent null: its own */
  dentry(name: string, parent: bigint | null, { unhashed = false, made = '', inode = 0n } = {}): bigint {
    const at = this.memory.take(80);
    const operations = made === '' ? 0n : this.record(0xffff_ffff_8100_0000n);
    const superBlock = made === '' ? this.#superBlock : this.superBlock(made);
    const text = this.text(name);
    this.memory.words(
      at,
      0n,
      unhashed ? 0n : 1n,
      parent ?? at,
      0n,
      text,
      this.record(inode, 0n),
      operations,
      superBlock,
    );
    this.memory.u32(at + 28n, name.length);
    return at;
  }

  /** Of struct mount; its vfsmount is 16 bytes behind. */
  mount(root: bigint, above: bigint | null, point: bigint | null, source = 'none', flags = 0): bigint {
    const at = this.memory.take(72);
    this.memory.words(at, above ?? at, point ?? root, root, this.#superBlock);
    this.memory.u32(at + 32n, flags);
    this.memory.words(at + 40n, this.text(source), at + 48n, at + 48n);
    return at;
  }

  file(dentry: bigint, mount = this.rootMount, flags = 0, position = 0n): bigint {
    const at = this.memory.take(32);
    this.memory.words(at, mount + 16n, dentry);
    this.memory.u32(at + 16n, flags);
    this.memory.words(at + 24n, position);
    return at;
  }

  /** @param claimed how many descriptors the table says it has room for */
  open(files: readonly bigint[], { claimed = files.length, closing = 0n } = {}): void {
    const table = this.memory.take(24);
    this.memory.u32(table, claimed);
    this.memory.words(table + 8n, this.record(...files), this.record(closing));
    this.memory.words(this.task + 8n, this.record(table));
  }

  /** Areas as [start, end, flags, page, file, operations, data], in the order of their list; returns their addresses. */
  areas(areas: readonly (readonly bigint[])[], { startBrk = 0n, brk = 0n, startStack = 0n } = {}): bigint[] {
    const all = areas.map(() => this.memory.take(64));
    for (const [i, [start, end, flags = 0n, page = 0n, file = 0n, operations = 0n, data = 0n]] of areas.entries()) {
      this.memory.words(all[i], start, end, all[i + 1] ?? 0n, flags, page, file, operations, data);
    }
    this.memory.words(
      this.task + 16n,
      this.record(all[0] ?? 0n, 0n, 3n, startBrk, brk, startStack, 0n, 0n, 0n, 0n, 0n),
    );
    return all;
  }

  /** The mount namespace, with mounts in this order. */
  namespace(mounts: readonly bigint[]): void {
    const head = this.memory.take(16);
    const ring = [head, ...mounts.map(mount => mount + 48n)];
    for (const [i, node] of ring.entries()) {
      const next = ring[(i + 1) % ring.length];
      this.memory.words(node, next);
      this.memory.words(next + 8n, node);
    }
    this.memory.words(this.task + 24n, this.record(head));
  }
}
