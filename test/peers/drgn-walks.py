# What drgn finds in containers of a dump: one JSON object. Usage: drgn-walks.py DUMP VMLINUX
import json
import sys

import drgn
from drgn.helpers.linux import for_each_pid, for_each_task, for_each_vma, list_for_each_entry

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
address = lambda pointer: f"0x{pointer.value_():x}"
tasks = [task for task in for_each_task(prog) if task.mm]
task = max(tasks, key=lambda one: (one.mm.map_count.value_(), one.pid.value_()))
print(
    json.dumps(
        {
            "modules": [address(one) for one in list_for_each_entry("struct module", prog["modules"].address_of_(), "list")],
            "superBlocks": [address(one) for one in list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list")],
            "pids": [address(one) for one in for_each_pid(prog)],
            "mm": address(task.mm),
            "areas": [[address(one), f"0x{one.vm_start.value_():x}", f"0x{one.vm_end.value_() - 1:x}"] for one in for_each_vma(task.mm)],
        }
    )
)
