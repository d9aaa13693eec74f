// Every dentry of a path, those that nothing finds by name any more included: kdumpling run dentries.ts DUMP /etc/passwd
// A path is as its file system has it, from that file system's root; `*` stands for one name.
import type { ScriptContext } from 'kdumpling/analysis';
import { struct } from 'kdumpling/analysis/object';
import { ALLOCATED, cacheObjects, SlabPages, slabAllocator } from 'kdumpling/analysis/slab';
import { MemoryFault } from 'kdumpling/reader';

const MOST_NAMES = 256;

export default function ({ kernel, args, issues }: ScriptContext) {
  const wanted = (args[0] ?? '').split('/').filter(name => name !== '');
  if (wanted.length === 0) throw new Error('give a PATH');
  const dentry = struct(kernel, 'dentry');
  const parent = dentry.word('d_parent');
  const name = dentry.word('d_name.name');
  const length = dentry.number('d_name.len');
  const inode = dentry.word('d_inode');
  const references = dentry.number('d_lockref.count');
  const hashed = dentry.word('d_hash.pprev');
  const superBlock = dentry.word('d_sb');
  const fileSystem = struct(kernel, 'super_block').word('s_type');
  const typeName = struct(kernel, 'file_system_type').word('name');

  /** Whether the names from a dentry up to its file system's root are those of the path. */
  function matches(address: bigint): boolean {
    let at = address;
    let left = wanted.length;
    for (let i = 0; i < MOST_NAMES && parent(at) !== at; i++, at = parent(at)) {
      const one = wanted[--left];
      if (one === undefined) return false;
      if (one !== '*' && kernel.memory.text(name(at), length(at)) !== one) return false;
    }
    return left === 0;
  }

  const allocator = slabAllocator(kernel, issues);
  const cache = allocator.caches.find(one => one.name === 'dentry');
  if (cache === undefined) throw new Error('there is no cache dentry');
  const rows = [];
  for (const { first, count, states } of cacheObjects(allocator, SlabPages.find(allocator, issues), cache, issues)) {
    for (let i = 0; i < count; i++) {
      if (states[i] !== ALLOCATED) continue;
      const address = allocator.map.toVirtual(first + i * cache.slotSize);
      try {
        if (!matches(address)) continue;
        const type = kernel.memory.text(typeName(fileSystem(superBlock(address))), 64);
        const isHashed = hashed(address) !== 0n;
        rows.push({ address, type, inode: inode(address), references: references(address), hashed: isHashed });
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-dentry', error.message, address);
      }
    }
  }
  if (rows.length === 0)
    issues.add(
      'no-such-path',
      `no file system has ${args[0]}: a path begins at the root of its own (/null for /dev/null)`,
    );
  return rows;
}
