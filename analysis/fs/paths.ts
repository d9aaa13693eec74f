// Paths as /proc shows them: from a struct path up through dentries and mounts. Source: fs/d_path.c (d_path, prepend_path, simple_dname), and what makes names of its own:
// fs/pipe.c, net/socket.c, fs/anon_inodes.c, fs/nsfs.c, fs/pidfs.c, drivers/dma-buf/dma-buf.c (6.1 to 7.3).
import { hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { type Get, hasStruct, struct } from '../object/index.js';

/** A dentry within a mount: what a struct path points at. */
export interface Place {
  /** Of a struct vfsmount. */
  readonly mount: bigint;
  readonly dentry: bigint;
}

/** PATH_MAX is 4096 bytes: what is deeper can hardly be made. */
const MOST_NAMES = 4096;
/** Longer than any file system allows (NAME_MAX is 255), and than names that the kernel makes up. */
const MOST_NAME = 1024;

export class Paths {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  readonly #path: { readonly mount: Get<bigint>; readonly dentry: Get<bigint> };
  readonly #dentry: Record<
    'parent' | 'name' | 'hashed' | 'operations' | 'superBlock' | 'inode' | 'private',
    Get<bigint>
  >;
  readonly #nameLength: Get<number>;
  readonly #ownName: Get<bigint>;
  readonly #inodeNumber: Get<bigint>;
  readonly #fileSystem: Get<bigint>;
  readonly #fileSystemName: Get<bigint>;
  readonly #mount: Record<'root' | 'ofVfsmount' | 'above' | 'point' | 'vfsmount', Get<bigint>>;
  /** Set by `walk`: whether it came to where it was to end. */
  reached = false;

  /** @throws Missing */
  constructor(kernel: Kernel, issues: Issues) {
    this.#kernel = kernel;
    this.#issues = issues;
    const path = struct(kernel, 'path');
    this.#path = { mount: path.word('mnt'), dentry: path.word('dentry') };
    const dentry = struct(kernel, 'dentry');
    this.#dentry = {
      parent: dentry.word('d_parent'),
      name: dentry.word('d_name.name'),
      hashed: dentry.word('d_hash.pprev'),
      operations: dentry.word('d_op'),
      superBlock: dentry.word('d_sb'),
      inode: dentry.word('d_inode'),
      private: dentry.word('d_fsdata'),
    };
    this.#nameLength = dentry.number('d_name.len');
    this.#ownName = struct(kernel, 'dentry_operations').word('d_dname');
    this.#inodeNumber = struct(kernel, 'inode').word('i_ino');
    this.#fileSystem = struct(kernel, 'super_block').word('s_type');
    this.#fileSystemName = struct(kernel, 'file_system_type').word('name');
    const mount = struct(kernel, 'mount');
    this.#mount = {
      root: struct(kernel, 'vfsmount').word('mnt_root'),
      ofVfsmount: mount.container('mnt'),
      above: mount.word('mnt_parent'),
      point: mount.word('mnt_mountpoint'),
      vfsmount: mount.address('mnt'),
    };
  }

  /** What the struct path at an address points at. @throws MemoryFault */
  place(path: bigint): Place {
    return { mount: this.#path.mount(path), dentry: this.#path.dentry(path) };
  }

  /** d_path() of a struct path for a reader without chroot; null if it points nowhere, or is damaged (told in issues). @throws MemoryFault */
  text(path: bigint): string | null {
    const place = this.place(path);
    if (place.dentry === 0n) return null;
    const made = this.#madeName(place);
    if (made !== null) return made;
    const text = this.walk(place);
    const { hashed, parent } = this.#dentry;
    const gone = hashed(place.dentry) === 0n && parent(place.dentry) !== place.dentry;
    return text !== null && gone ? `${text} (deleted)` : text;
  }

  /**
   * The names from `root`, or else from the topmost mount, down to a place; `reached` then tells whether it lies below `root`. Null, with an issue, for a walk
   * without end.
   * @throws MemoryFault
   */
  walk(place: Place, root: Place | null = null): string | null {
    const names: string[] = [];
    const mount = this.#mount;
    let { mount: vfsmount, dentry } = place;
    for (let steps = 0; steps < MOST_NAMES; steps++) {
      this.reached = vfsmount === root?.mount && dentry === root.dentry;
      if (this.reached) return joined(names);
      if (dentry === mount.root(vfsmount)) {
        const here = mount.ofVfsmount(vfsmount);
        const above = mount.above(here);
        if (above === here) {
          this.reached = root === null;
          return joined(names);
        }
        dentry = mount.point(here);
        vfsmount = mount.vfsmount(above);
        continue;
      }
      const parent = this.#dentry.parent(dentry);
      // Moved out of what is mounted here.
      if (dentry === parent) return joined(names);
      names.push(this.name(dentry));
      dentry = parent;
    }
    this.#issues.add('damaged-path', `the dentry at ${hex(place.dentry)} has parents without end`, place.dentry);
    return null;
  }

  /** A dentry's own name. @throws MemoryFault */
  name(dentry: bigint): string {
    const length = this.#nameLength(dentry);
    if (length === 0) return '';
    return this.#kernel.memory.text(this.#dentry.name(dentry), Math.min(length, MOST_NAME));
  }

  /** The type of the file system that a super_block is of. @throws MemoryFault */
  fileSystemName(superBlock: bigint): string {
    return this.#kernel.memory.text(this.#fileSystemName(this.#fileSystem(superBlock)), MOST_NAME);
  }

  /** The name that d_dname() makes up for what lies in no directory; null where it is not asked. */
  #madeName({ mount, dentry }: Place): string | null {
    const { parent, operations, superBlock } = this.#dentry;
    if (parent(dentry) === dentry && this.#mount.root(mount) === dentry) return null;
    const table = operations(dentry);
    if (table === 0n || this.#ownName(table) === 0n) return null;
    switch (this.fileSystemName(superBlock(dentry))) {
      case 'pipefs':
        return `pipe:[${this.#number(dentry)}]`;
      case 'sockfs':
        return `socket:[${this.#number(dentry)}]`;
      case 'anon_inodefs':
        return `anon_inode:${this.name(dentry)}`;
      case 'pidfs':
        return 'anon_inode:[pidfd]';
      case 'nsfs':
        return `${this.#namespaceType(dentry)}:[${this.#number(dentry)}]`;
      case 'dmabuf':
        return `/${this.name(dentry)}:${this.#bufferName(dentry)}`;
      // simple_dname(): memfd, shared memory, hugetlbfs.
      default:
        return `/${this.name(dentry)} (deleted)`;
    }
  }

  #number(dentry: bigint): bigint {
    return this.#inodeNumber(this.#dentry.inode(dentry));
  }

  /** `mnt`, `net` …: proc_ns_operations.name. */
  #namespaceType(dentry: bigint): string {
    // The dentry's own up to 6.8, later those of the ns_common that the inode leads to (commit 1fa08aece425).
    const own = this.#dentry.private(dentry);
    const common = struct(this.#kernel, 'inode').word('i_private');
    const operations =
      own === 0n ? struct(this.#kernel, 'ns_common').word('ops')(common(this.#dentry.inode(dentry))) : own;
    return this.#kernel.memory.text(struct(this.#kernel, 'proc_ns_operations').word('name')(operations), MOST_NAME);
  }

  #bufferName(dentry: bigint): string {
    if (!hasStruct(this.#kernel, 'dma_buf')) return '';
    const name = struct(this.#kernel, 'dma_buf').word('name')(this.#dentry.private(dentry));
    return name === 0n ? '' : this.#kernel.memory.text(name, MOST_NAME);
  }
}

const joined = (names: readonly string[]): string => `/${names.toReversed().join('/')}`;
