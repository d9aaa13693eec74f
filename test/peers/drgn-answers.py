# What drgn says of a dump with the kernel's vmlinux, as kdumpling's commands say it: one JSON object. Usage: drgn-answers.py DUMP VMLINUX
import json
import sys

import drgn
from drgn.helpers.linux.fs import d_path, for_each_file
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.mm import follow_phys, for_each_vma, for_each_vmap_area
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_printk_records
from drgn.helpers.linux.sched import task_cpu, task_state_to_char

PF_KTHREAD = 0x200000
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
text = lambda data: data.decode("utf-8", "replace")
tasks = list(for_each_task(prog))


def row(task):
    return {
        "pid": task.pid.value_(),
        "tgid": task.tgid.value_(),
        "ppid": task.real_parent.tgid.value_(),
        "comm": text(task.comm.string_()),
        "state": task_state_to_char(task),
        "cpu": task_cpu(task),
        "task": hex(task.value_()),
        "kernelThread": bool(task.flags.value_() & PF_KTHREAD),
    }


def path(place):
    """None where drgn cannot tell it."""
    try:
        return text(d_path(place.address_of_()))
    except drgn.FaultError:
        return None


def area(vma):
    file = path(vma.vm_file.f_path) if vma.vm_file else None
    return [hex(vma.vm_start), hex(vma.vm_end), file]


def physical(mm, address):
    try:
        return hex(follow_phys(mm, address).value_())
    except drgn.FaultError:
        return None


def translations(mm, addresses):
    return [[hex(address), physical(mm, address)] for address in addresses]


processes = [task for task in tasks if task.mm and task.pid == task.tgid]
kernel = [prog.symbol(name).address for name in ("_stext", "schedule", "init_task", "linux_banner", "init_uts_ns", "slab_caches")]
kernel += [address.value_() for vmap in for_each_vmap_area(prog) for address in (vmap.va_start, vmap.va_end - 4096)]
kernel += [module.value_() for module in list_for_each_entry("struct module", prog["modules"].address_of_(), "list")]
kernel += [task.value_() for task in tasks]
print(
    json.dumps(
        {
            "ps": [row(task) for task in tasks],
            "log": [
                {
                    "seq": record.seq,
                    "timestampNs": str(record.timestamp),
                    "level": record.level,
                    "facility": record.facility,
                    "text": text(record.text),
                }
                for record in get_printk_records(prog)
            ],
            "mod": [[text(module.name.string_()), hex(module.value_())] for module in list_for_each_entry("struct module", prog["modules"].address_of_(), "list")],
            "vm": {task.pid.value_(): [area(vma) for vma in for_each_vma(task.mm)] for task in processes},
            "files": {task.pid.value_(): [[fd, hex(file.value_()), path(file.f_path)] for fd, file in for_each_file(task)] for task in processes},
            "vtop": translations(prog["init_mm"].address_of_(), kernel),
            "vtopOf": {
                task.pid.value_(): translations(task.mm, [address for vma in for_each_vma(task.mm) for address in (vma.vm_start.value_(), vma.vm_end.value_() - 4096)])
                for task in processes
            },
        }
    )
)
