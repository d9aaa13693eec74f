# What drgn finds of run queues, interrupts and timers of a dump: one JSON object. Usage: drgn-machine.py DUMP VMLINUX
import json
import sys

import drgn
from drgn.helpers.linux import (
    cpu_curr,
    for_each_possible_cpu,
    hlist_for_each_entry,
    list_for_each_entry,
    mt_for_each,
    per_cpu,
    per_cpu_ptr,
    radix_tree_for_each,
    rbtree_inorder_for_each,
    rbtree_inorder_for_each_entry,
)

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
cpus = list(for_each_possible_cpu(prog))


def address(pointer):
    return f"0x{pointer.value_():x}"


def symbol(pointer):
    try:
        return prog.symbol(pointer.value_()).name
    except LookupError:
        return None


def run_queue(cpu):
    rq = per_cpu(prog["runqueues"], cpu)
    fair = [
        drgn.container_of(entity, "struct task_struct", "se")
        for entity in rbtree_inorder_for_each_entry("struct sched_entity", rq.cfs.tasks_timeline.rb_root.address_of_(), "run_node")
    ]
    listed = [
        drgn.container_of(entity, "struct task_struct", "se").pid.value_()
        for entity in list_for_each_entry("struct sched_entity", rq.cfs_tasks.address_of_(), "group_node")
    ]
    real_time = [
        drgn.container_of(entity, "struct task_struct", "rt").pid.value_()
        for queue in rq.rt.active.queue
        for entity in list_for_each_entry("struct sched_rt_entity", queue.address_of_(), "run_list")
    ]
    return {
        "runqueue": address(rq.address_of_()),
        "running": rq.nr_running.value_(),
        "current": cpu_curr(prog, cpu).pid.value_(),
        "fair": [[task.pid.value_(), task.prio.value_(), str(task.se.vruntime.value_())] for task in fair],
        "listed": sorted(listed),
        "realTime": real_time,
    }


def interrupts():
    try:
        found = [(irq, entry) for irq, _, entry in mt_for_each(prog["sparse_irqs"].address_of_())]
    except KeyError:
        found = radix_tree_for_each(prog["irq_desc_tree"].address_of_())
    for irq, entry in found:
        desc = drgn.cast("struct irq_desc *", entry)
        actions = []
        action = desc.action
        while action:
            actions.append([address(action), action.name.string_().decode(), symbol(action.handler)])
            action = action.next
        counts = []
        for cpu in cpus:
            count = per_cpu_ptr(desc.kstat_irqs, cpu)[0]
            counts.append((count.cnt if count.type_.kind == drgn.TypeKind.STRUCT else count).value_())
        yield [irq, address(desc), desc.irq_data.chip.name.string_().decode(), counts, actions]


# What the timers of functions that serve many are in.
OWNERS = {
    "delayed_work_timer_fn": ("struct delayed_work", "timer", lambda owner: symbol(owner.work.func)),
    "process_timeout": ("struct process_timer", "timer", lambda owner: owner.task.pid.value_()),
    "hrtimer_wakeup": ("struct hrtimer_sleeper", "timer", lambda owner: owner.task.pid.value_() if owner.task else None),
}


def purpose(timer):
    owner = OWNERS.get(symbol(timer.function))
    return owner and owner[2](drgn.container_of(timer, owner[0], owner[1]))


def timers(cpu):
    found = []
    for base in per_cpu(prog["timer_bases"], cpu):
        found.append(
            sorted(
                [timer.expires.value_(), address(timer), symbol(timer.function), purpose(timer)]
                for vector in base.vectors
                for timer in hlist_for_each_entry("struct timer_list", vector.address_of_(), "entry")
            )
        )
    return found


def hrtimers(cpu):
    found = []
    for base in per_cpu(prog["hrtimer_bases"], cpu).clock_base:
        root = base.active.rb_root.rb_root
        nodes = rbtree_inorder_for_each(root.address_of_())
        clock = [drgn.cast("struct hrtimer *", node) for node in nodes]
        found.append(
            [[str(timer.node.expires.value_()), address(timer), symbol(timer.function), purpose(timer)] for timer in clock]
        )
    return found


print(
    json.dumps(
        {
            "queues": [run_queue(cpu) for cpu in cpus],
            "interrupts": list(interrupts()),
            "timers": [timers(cpu) for cpu in cpus],
            "hrtimers": [hrtimers(cpu) for cpu in cpus],
        }
    )
)
