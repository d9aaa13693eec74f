// Page cache of block devices: nr_blockdev_pages(). Source: block/bdev.c, fs/block_dev.c: all inodes of the file system of devices since 5.10 (commit 1008162b2782), a list of devices before.
import { Issues } from 'kdumpling/reader';
import { listEntries } from '../collections/list.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';

/** Pages; null, with what is damaged in `issues`, where devices may be missing: a sum of some would be wrong. @throws Missing, MemoryFault */
export function blockDevicePages(kernel: Kernel, issues: Issues): number | null {
  const cached = struct(kernel, 'address_space').number('nrpages');
  const damage = new Issues();
  let pages = 0;
  for (const mapping of deviceMappings(kernel, damage)) pages += cached(mapping);
  if (damage.count === 0) return pages;
  issues.addAll(damage);
  issues.add('damaged-totals', 'the page cache of block devices cannot be told: not all of them were found');
  return null;
}

/** Addresses of struct address_space. */
function* deviceMappings(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const inode = struct(kernel, 'inode');
  const mapping = inode.word('i_mapping');
  const devices = kernel.symbol('all_bdevs');
  if (devices !== null) {
    const device = struct(kernel, 'block_device');
    const own = device.word('bd_inode');
    for (const one of listEntries(kernel, devices.address, device, 'bd_list', issues, { name: 'all_bdevs' })) {
      yield mapping(own(one));
    }
    return;
  }
  const superBlock = deviceSuperBlock(kernel, issues);
  const head = superBlock + BigInt(struct(kernel, 'super_block').offset('s_inodes'));
  for (const one of listEntries(kernel, head, inode, 'i_sb_list', issues, { name: 'blockdev_superblock.s_inodes' })) {
    yield mapping(one);
  }
}

/** The variable is static data, which some kernels have no symbols of: then by its file system's name among all of them. */
function deviceSuperBlock(kernel: Kernel, issues: Issues): bigint {
  const variable = kernel.symbol('blockdev_superblock');
  const all = kernel.symbol('super_blocks');
  if (variable !== null || all === null) return kernel.memory.pointer(kernel.address('blockdev_superblock'));
  const layout = struct(kernel, 'super_block');
  const type = layout.word('s_type');
  const name = struct(kernel, 'file_system_type').word('name');
  for (const one of listEntries(kernel, all.address, layout, 's_list', issues, { name: 'super_blocks' })) {
    if (kernel.memory.text(name(type(one)), 8) === 'bdev') return one;
  }
  throw new Missing('symbol', 'blockdev_superblock', 'no file system is that of block devices');
}
