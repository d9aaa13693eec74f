// The heads of lists and trees that analyses start from. Source: kernel/module/main.c, mm/slab_common.c, fs/super.c, kernel/bpf/btf.c, kernel/irq/irqdesc.c, lib/maple_tree.c, lib/xarray.c (6.1 to 7.3).
import { struct } from '../../object/index.js';
import type { Check } from './check.js';

export const modules: Check = (finding, address) =>
  finding.list(address, 'module', 'list', entry =>
    /^[\w-]+$/.test(struct(finding.kernel, 'module').text('name')(entry)),
  );

export const slabCaches: Check = (finding, address) =>
  finding.list(address, 'kmem_cache', 'list', entry => {
    const size = struct(finding.kernel, 'kmem_cache').number('object_size')(entry);
    return size > 0 && finding.name(finding.member('kmem_cache', 'name', entry)) !== null;
  });

export const superBlocks: Check = (finding, address) =>
  finding.list(address, 'super_block', 's_list', entry => {
    const type = finding.member('super_block', 's_type', entry);
    return finding.name(finding.member('file_system_type', 'name', type)) !== null;
  });

/** Each entry belongs to a module. One function names it, among others: an empty list is not known by that. */
export const moduleTypes: Check = (finding, address) => {
  const verdict = finding.list(address, 'btf_module', 'list', entry => {
    const module = finding.member('btf_module', 'module', entry);
    return /^[\w-]+$/.test(struct(finding.kernel, 'module').text('name')(module));
  });
  return verdict === 'sure' ? verdict : 'no';
};

const NODE_TAGS = 3n;
const INTERNAL = 2n;

/** A radix tree (an xarray) with nodes: the topmost says whose it is. */
export const radixTree: Check = (finding, address) => {
  const head = finding.member('xarray', 'xa_head', address);
  if ((head & NODE_TAGS) !== INTERNAL) return 'no';
  return finding.member('xa_node', 'array', head - INTERNAL) === address ? 'sure' : 'no';
};

/** Maple nodes are aligned to 256 bytes, and the root's parent is the tree with bit 0 set. */
export const mapleTree: Check = (finding, address) => {
  const root = finding.member('maple_tree', 'ma_root', address);
  if ((root & NODE_TAGS) !== INTERNAL) return 'no';
  const parent = finding.member('maple_node', 'parent', root & ~0xffn);
  return parent === (address | 1n) ? 'sure' : 'no';
};
