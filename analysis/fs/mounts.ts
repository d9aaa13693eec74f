// What is mounted where, as /proc/mounts shows it. Source: fs/namespace.c (m_start), fs/proc_namespace.c (show_vfsmnt, show_mnt_opts, show_sb_opts, 6.1 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries, rbEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, struct } from '../object/index.js';
import { Paths, type Place } from './paths.js';

/** A mount. What is unknown is null. */
export interface Mount {
  readonly source: string | null;
  readonly path: string | null;
  /** Of the file system, with its subtype: `ext4`, `fuse.sshfs`. */
  readonly type: string | null;
  /** Those of every file system, as /proc/mounts has them; what a file system adds itself (`size=64k`, `mode=755`) is not known. */
  readonly options: string | null;
}

const MOST_TEXT = 4096;
const SB_RDONLY = 0x1;
const MNT_READONLY = 0x40;

/** Flags of a super_block and of a mount with what /proc/mounts says of them, in its order. */
const SB_OPTIONS: readonly (readonly [bit: number, name: string])[] = [
  [0x10, 'sync'],
  [0x80, 'dirsync'],
  [0x40, 'mand'],
  [0x0200_0000, 'lazytime'],
];
const MNT_OPTIONS: readonly (readonly [bit: number, name: string])[] = [
  [0x01, 'nosuid'],
  [0x02, 'nodev'],
  [0x04, 'noexec'],
  [0x08, 'noatime'],
  [0x10, 'nodiratime'],
  [0x20, 'relatime'],
  [0x80, 'nosymfollow'],
];

/**
 * The mounts of a task's namespace that lie below its root directory, in the order of /proc/mounts.
 * @param task address of a task_struct
 * @throws Missing, MemoryFault if the task or its namespace cannot be read
 */
export function mounts(kernel: Kernel, task: bigint, issues: Issues): Mount[] {
  const paths = new Paths(kernel, issues);
  const nsproxy = struct(kernel, 'task_struct').word('nsproxy')(task);
  // A process that has exited is in no namespace any more.
  if (nsproxy === 0n) return [];
  const namespace = struct(kernel, 'nsproxy').word('mnt_ns')(nsproxy);
  const root = rootOf(kernel, task, paths, issues);
  const read = mountReader(kernel, paths, root, issues);
  const rows: Mount[] = [];
  for (const mount of mountsOf(kernel, namespace, issues)) {
    const row = read(mount);
    if (row !== null) rows.push(row);
  }
  return rows;
}

function rootOf(kernel: Kernel, task: bigint, paths: Paths, issues: Issues): Place | null {
  try {
    const space = struct(kernel, 'task_struct').word('fs')(task);
    return space === 0n ? null : paths.place(struct(kernel, 'fs_struct').address('root')(space));
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-memory', `the root directory cannot be told: ${error.message}`, task);
    return null;
  }
}

/** Addresses of struct mount. */
function mountsOf(kernel: Kernel, namespace: bigint, issues: Issues): Iterable<bigint> {
  const layout = struct(kernel, 'mnt_namespace');
  const mount = struct(kernel, 'mount');
  // A list until the tree by mnt_id_unique came (6.8, commit 2eea9ce4310d).
  if (mount.has('mnt_node')) {
    return rbEntries(kernel, layout.address('mounts')(namespace), mount, 'mnt_node', issues, {
      name: 'mnt_namespace.mounts',
    });
  }
  return notCursors(
    kernel,
    listEntries(kernel, layout.address('list')(namespace), mount, 'mnt_list', issues, { name: 'mnt_namespace.list' }),
  );
}

const MNT_CURSOR = 0x1000_0000;

/** Who reads /proc/mounts leaves a mark in the list (5.8 to 6.7, commit 9f6c61f96f2d). */
function* notCursors(kernel: Kernel, all: Iterable<bigint>): Iterable<bigint> {
  const flags = struct(kernel, 'mount').number('mnt.mnt_flags');
  for (const mount of all) {
    let cursor = false;
    try {
      cursor = (flags(mount) & MNT_CURSOR) !== 0;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
    }
    if (!cursor) yield mount;
  }
}

function mountReader(
  kernel: Kernel,
  paths: Paths,
  root: Place | null,
  issues: Issues,
): (mount: bigint) => Mount | null {
  const layout = struct(kernel, 'mount');
  const vfsmount = layout.address('mnt');
  const columns = new Columns('mount', issues);
  const source = columns.add('source', () => textOf(kernel, layout.word('mnt_devname')));
  const path = columns.add('path', () => {
    const top = layout.word('mnt.mnt_root');
    return mount => paths.walk({ mount: vfsmount(mount), dentry: top(mount) }, root);
  });
  const type = columns.add('type', () => typeOf(kernel, paths));
  const options = columns.add('options', () => optionsOf(kernel));
  return mount => {
    const at = path(mount);
    const outside = at !== null && !paths.reached;
    const row = outside ? null : { source: source(mount), path: at, type: type(mount), options: options(mount) };
    columns.tell(mount);
    return row;
  };
}

function textOf({ memory }: Kernel, pointer: Get<bigint>): Get<string> {
  return mount => {
    const at = pointer(mount);
    // As show_vfsmnt() prints it.
    return at === 0n ? 'none' : memory.text(at, MOST_TEXT);
  };
}

function typeOf(kernel: Kernel, paths: Paths): Get<string> {
  const superBlock = struct(kernel, 'mount').word('mnt.mnt_sb');
  const subtype = struct(kernel, 'super_block').word('s_subtype');
  return mount => {
    const at = superBlock(mount);
    const sub = subtype(at);
    const name = paths.fileSystemName(at);
    return sub === 0n ? name : `${name}.${kernel.memory.text(sub, MOST_TEXT)}`;
  };
}

function optionsOf(kernel: Kernel): Get<string> {
  const layout = struct(kernel, 'mount');
  const flags = layout.number('mnt.mnt_flags');
  const superBlock = layout.word('mnt.mnt_sb');
  const superFlags = struct(kernel, 'super_block').number('s_flags');
  const idmapped = idmappedOf(kernel);
  return mount => {
    const own = flags(mount);
    const shared = superFlags(superBlock(mount));
    const readOnly = (own & MNT_READONLY) !== 0 || (shared & SB_RDONLY) !== 0;
    const names = [readOnly ? 'ro' : 'rw'];
    for (const [bit, name] of SB_OPTIONS) if ((shared & bit) !== 0) names.push(name);
    for (const [bit, name] of MNT_OPTIONS) if ((own & bit) !== 0) names.push(name);
    if (idmapped(mount)) names.push('idmapped');
    return names.join(',');
  };
}

/** Since 6.2 a mount has nop_mnt_idmap or a map of its own (commit 256c8aed2b42); what came before (5.12) is not told. */
function idmappedOf(kernel: Kernel): Get<boolean> {
  const layout = struct(kernel, 'mount');
  const none = kernel.symbol('nop_mnt_idmap');
  if (none === null || !layout.has('mnt.mnt_idmap')) return () => false;
  const idmap = layout.word('mnt.mnt_idmap');
  return mount => idmap(mount) !== none.address;
}
