// Nodes of kernfs, of which sysfs and cgroup file systems are made. Source: include/linux/kernfs.h, fs/kernfs/dir.c (3.14 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { rbEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Get, type Struct, struct } from '../object/index.js';

const TYPE_MASK = 0xf;
const LINK = 4;
/** NAME_MAX. */
const MOST_NAME = 256;
const MOST_DEPTH = 128;

export class Kernfs {
  readonly #kernel: Kernel;
  readonly #node: Struct;
  readonly #name: Get<bigint>;
  readonly #parent: Get<bigint>;
  readonly #flags: Get<number>;
  readonly #target: Get<bigint>;

  /** @throws Missing */
  constructor(kernel: Kernel) {
    const node = struct(kernel, 'kernfs_node');
    this.#kernel = kernel;
    this.#node = node;
    this.#name = node.word('name');
    // Under RCU, and called so, since 6.15 (commit 741c10b096bc).
    this.#parent = node.word(node.which('__parent', 'parent'));
    this.#flags = node.number('flags');
    this.#target = node.word('symlink.target_kn');
  }

  /** @throws MemoryFault */
  name(node: bigint): string {
    return this.#kernel.memory.text(this.#name(node), MOST_NAME);
  }

  /** 0 of the root. @throws MemoryFault */
  parent(node: bigint): bigint {
    return this.#parent(node);
  }

  /** What a directory has, by the order of its tree. */
  children(directory: bigint, issues: Issues, name?: string): Iterable<bigint> {
    const root = this.#node.address('dir.children')(directory);
    return rbEntries(this.#kernel, root, this.#node, 'rb', issues, name === undefined ? {} : { name });
  }

  /** The node that a symbolic link leads to; null for what is none. @throws MemoryFault */
  target(node: bigint): bigint | null {
    return (this.#flags(node) & TYPE_MASK) === LINK ? this.#target(node) : null;
  }

  /** From its root: `/` or `/a/b`; null where it cannot be read. */
  path(node: bigint): string | null {
    const names: string[] = [];
    try {
      let at = node;
      for (let depth = 0; depth < MOST_DEPTH; depth++) {
        const parent = this.#parent(at);
        if (parent === 0n) return `/${names.reverse().join('/')}`;
        names.push(this.name(at));
        at = parent;
      }
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
    }
    return null;
  }
}
