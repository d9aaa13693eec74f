// Objects of a cache by size and age: the inodes of an inode cache, the largest first, with the seconds since each was changed: kdumpling run largest-inodes.ts DUMP shmem_inode_cache [COUNT]
import type { ScriptContext } from 'kdumpling/analysis';
import { readClock } from 'kdumpling/analysis/machine';
import { struct } from 'kdumpling/analysis/object';
import { ALLOCATED, cacheObjects, SlabPages, slabAllocator } from 'kdumpling/analysis/slab';

/** The structs that inode caches hold, and where the inode is in them. */
const INODES: Record<string, [struct: string, inode: string]> = {
  inode_cache: ['inode', ''],
  shmem_inode_cache: ['shmem_inode_info', 'vfs_inode'],
  ext4_inode_cache: ['ext4_inode_info', 'vfs_inode'],
  proc_inode_cache: ['proc_inode', 'vfs_inode'],
  sock_inode_cache: ['socket_alloc', 'vfs_inode'],
};

export default function ({ kernel, args, issues }: ScriptContext) {
  const [name = 'shmem_inode_cache', count = '20'] = args;
  const known = new Map(Object.entries(INODES)).get(name);
  if (known === undefined) throw new Error(`where inodes lie in ${name} is not told here: add it to INODES`);
  const [type, member] = known;
  const offset = member === '' ? 0n : BigInt(struct(kernel, type).offset(member));
  const inode = struct(kernel, 'inode');
  const number = inode.number('i_ino');
  const size = inode.number('i_size');
  // A timespec64 until 6.10, two numbers since.
  const changed = inode.number(inode.which('i_ctime_sec', 'i_ctime.tv_sec', '__i_ctime.tv_sec'));
  const now = Number(readClock(kernel).wallNs / 1_000_000_000n);

  const allocator = slabAllocator(kernel, issues);
  const cache = allocator.caches.find(one => one.name === name);
  if (cache === undefined) throw new Error(`there is no cache ${name}`);
  const rows = [];
  for (const { first, count: objects, states } of cacheObjects(
    allocator,
    SlabPages.find(allocator, issues),
    cache,
    issues,
  )) {
    for (let i = 0; i < objects; i++) {
      if (states[i] !== ALLOCATED) continue;
      const address = allocator.map.toVirtual(first + i * cache.slotSize) + offset;
      rows.push({ address, inode: number(address), size: size(address), age: now - changed(address) });
    }
  }
  rows.sort((a, b) => b.size - a.size || b.age - a.age || (a.address < b.address ? -1 : 1));
  return rows.slice(0, Number(count));
}
