# What the examples of docs/scripting.md print, as drgn tells it: one JSON object of lists of lines. Usage: drgn-scripting.py DUMP VMLINUX
import json
import sys

import drgn
from drgn.helpers.linux import for_each_possible_cpu, for_each_task, list_for_each_entry, per_cpu, task_state_to_char

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
PF_KTHREAD = 0x00200000
text = lambda array: array.string_().decode()
init = prog["init_task"]


def answer_open():
    yield f"(struct task_struct) 0x{init.address_of_().value_():x}"
    yield f"{text(init.comm)} {init.cpus_ptr.bits[0].value_()}n {init.usage.refs.counter.value_()}"
    name = prog["init_uts_ns"].name
    members = ("sysname", "nodename", "release", "version", "machine", "domainname")
    yield json.dumps({one: text(name.member_(one)) for one in members}, separators=(",", ":"))


def answer_walk():
    for task in list_for_each_entry("struct task_struct", init.tasks.address_of_(), "tasks"):
        if task.mm:
            yield f"{task.pid.value_()} {text(task.comm)} {task.mm.total_vm.value_()}"


def answer_per_cpu():
    for cpu in for_each_possible_cpu(prog):
        rq = per_cpu(prog["runqueues"], cpu)
        yield f"{cpu} {rq.nr_running.value_()} {text(rq.curr.comm)}"


def answer_loop():
    for block in list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list"):
        sizes = [one.i_size.value_() for one in list_for_each_entry("struct inode", block.s_inodes.address_of_(), "i_sb_list")]
        yield f"{block.s_dev.value_()} {len(sizes)} {sum(sizes)}"


def answer_releases():
    try:
        yield str(init.member_("__state").value_())
    except LookupError:
        yield str(init.state.value_())
    try:
        yield str(prog["nr_vmap_nodes"].value_())
    except LookupError:
        yield "1"
    yield "member task_struct.no_such_member"
    yield "not-present"


def module_size(module):
    try:
        return sum(one.size.value_() for one in module.mem)
    except AttributeError:
        return module.core_layout.size.value_() + module.init_layout.size.value_()


def answer_answers():
    for task in for_each_task(prog):
        if task_state_to_char(task) == "S" and not task.flags.value_() & PF_KTHREAD:
            yield f"{task.pid.value_()} {text(task.comm)}"
    for module in list_for_each_entry("struct module", prog["modules"].address_of_(), "list"):
        yield f"{text(module.name)} {module_size(module)}"


answers = (answer_open, answer_walk, answer_per_cpu, answer_loop, answer_releases, answer_answers)
print(json.dumps({one.__name__[7:].replace("_", "-"): list(one()) for one in answers}))
