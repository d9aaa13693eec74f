"""What drgn says of what the examples tell: python3 drgn-examples.py DUMP VMLINUX prints JSON {holders, inodes, dentries}."""
import json
import sys

import drgn
from drgn.helpers.linux.fs import for_each_file
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.pid import find_task, for_each_task

dump, vmlinux = sys.argv[1:]
prog = drgn.Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])


def holders():
    """Who holds the credentials of PID 1: tasks, and files that they opened."""
    cred = find_task(prog, 1).cred
    found = {}
    for task in for_each_task(prog):
        for member in ("cred", "real_cred"):
            if task.member_(member).value_() == cred.value_():
                found[hex(task.member_(member).address_of_().value_())] = ["struct task_struct", member]
        if task.files.value_() == 0:
            continue
        for _, file in for_each_file(task):
            if file.f_cred.value_() == cred.value_():
                found[hex(file.f_cred.address_of_().value_())] = ["struct file", "f_cred"]
    return {"object": hex(cred.value_()), "found": found}


def inodes():
    """Inodes of all file systems in memory: [address, number, size, seconds since it was changed]."""
    now = prog["tk_core"].timekeeper.xtime_sec.value_()
    found = []
    for block in list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list"):
        if block.s_op.value_() != prog["shmem_ops"].address_:
            continue
        for inode in list_for_each_entry("struct inode", block.s_inodes.address_of_(), "i_sb_list"):
            age = now - inode.i_ctime.tv_sec.value_()
            found.append([hex(inode.value_()), inode.i_ino.value_(), inode.i_size.value_(), age])
    return found


def dentries(names):
    """All below each file system's root that are called so."""
    at = []
    for block in list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list"):
        if block.s_root.value_() != 0:
            at.append(block.s_root)
    for name in names:
        below = []
        for one in at:
            for child in list_for_each_entry("struct dentry", one.d_subdirs.address_of_(), "d_child"):
                text = prog.read(child.d_name.name.value_(), child.d_name.len.value_()).decode()
                if name in ("*", text):
                    below.append(child)
        at = below
    return {hex(one.value_()): one.d_sb.s_type.name.string_().decode() for one in at}


PATH = ["bin", "*"]
json.dump({"holders": holders(), "inodes": inodes(), "dentries": dentries(PATH)}, sys.stdout)
