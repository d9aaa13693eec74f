// The fourth example of docs/scripting.md.
import { global, openKernel } from 'kdumpling/analysis';
import { listEntries } from 'kdumpling/analysis/collections';
import { struct } from 'kdumpling/analysis/object';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';

const dump = await openFile(process.argv[2] ?? 'vmcore');
const kernel = await openKernel(dump);
const issues = new Issues();

const superBlock = struct(kernel, 'super_block');
const inode = struct(kernel, 'inode');
const device = superBlock.number('s_dev');
const inodes = superBlock.address('s_inodes');
const size = inode.number('i_size');

for (const block of listEntries(kernel, global(kernel, 'super_blocks').address, superBlock, 's_list', issues)) {
  let count = 0;
  let bytes = 0;
  for (const one of listEntries(kernel, inodes(block), inode, 'i_sb_list', issues)) {
    count++;
    bytes += size(one);
  }
  console.log(device(block), count, bytes);
}
dump.close();
