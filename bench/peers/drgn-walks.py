# Walks of containers with drgn: for each a line of its name, how many nodes it has, the sum of their addresses modulo 2^52, and nanoseconds of CPU time a node, the median
# of rounds. Usage: drgn-walks.py DUMP VMLINUX ROUNDS
import statistics
import sys
import time

import drgn
from drgn.helpers.linux import for_each_task, list_for_each, list_for_each_entry, rbtree_inorder_for_each
from drgn.helpers.linux.mapletree import mt_for_each

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])


def inodes():
    for block in list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list"):
        for node in list_for_each(block.s_inodes.address_of_()):
            yield node.value_()


def areas():
    for node in rbtree_inorder_for_each(prog["vmap_area_root"].address_of_()):
        yield node.value_()


trees = [task.mm.mm_mt.address_of_() for task in for_each_task(prog) if task.mm]


def maps():
    for tree in trees:
        for _, _, entry in mt_for_each(tree):
            yield entry.value_()


for name, walk in (("list", inodes), ("rbtree", areas), ("maple", maps)):
    times = []
    for _ in range(int(sys.argv[3])):
        start = time.process_time_ns()
        found = list(walk())
        times.append((time.process_time_ns() - start) / max(1, len(found)))
    print(name, len(found), sum(found) % 2**52, round(statistics.median(times)))
