"""What objects are, by walks that no typed pointer leads: lists, trees, hash tables, pointers to void and members of unions, each taken as the kernel's code takes it.

python3 drgn-types.py DUMP VMLINUX prints JSON {walk: {address: type}}. A walk that this kernel has not the names for is left out.
"""
import json
import sys

import drgn
from drgn import Object, cast, container_of
from drgn.helpers.linux.fs import for_each_file
from drgn.helpers.linux.idr import idr_for_each
from drgn.helpers.linux.list import hlist_for_each_entry, list_for_each_entry
from drgn.helpers.linux.mapletree import mt_for_each
from drgn.helpers.linux.pid import for_each_pid, for_each_task
from drgn.helpers.linux.radixtree import radix_tree_for_each
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each_entry

dump, vmlinux = sys.argv[1:]
prog = drgn.Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])

found = {}


def add(walk, pointer, type_name=None):
    """A pointer to what is allocated."""
    name = type_name if type_name is not None else pointer.type_.type.type_name()
    found.setdefault(walk, {})[hex(pointer.value_())] = name


def walk(function):
    try:
        function()
    except (LookupError, TypeError, AttributeError, drgn.FaultError) as error:
        print(f"{function.__name__}: {error}", file=sys.stderr)
    return function


def entries(head, type_name, member):
    return list_for_each_entry(type_name, head.address_of_(), member)


def klist_objects(klist, type_name, member):
    return list_for_each_entry(type_name, klist.k_list.address_of_(), f"{member}.n_node")


@walk
def workqueues():
    for one in entries(prog["workqueues"], "struct workqueue_struct", "list"):
        add("workqueues", one)


@walk
def workers():
    for _, entry in idr_for_each(prog["worker_pool_idr"].address_of_()):
        pool = cast("struct worker_pool *", entry)
        add("worker pools", pool)
        for one in entries(pool.workers, "struct worker", "node"):
            add("workers", one)


@walk
def irqs():
    try:
        items = list(mt_for_each(prog["sparse_irqs"].address_of_()))
        items = [entry for _, _, entry in items]
    except KeyError:
        items = [entry for _, entry in radix_tree_for_each(prog["irq_desc_tree"].address_of_())]
    for entry in items:
        add("irq_desc", cast("struct irq_desc *", entry))


@walk
def super_blocks():
    for block in entries(prog["super_blocks"], "struct super_block", "s_list"):
        add("super blocks", block)
        kind = block.s_type.name.string_().decode()
        private = {"tmpfs": "shmem_sb_info", "devtmpfs": "shmem_sb_info", "proc": "proc_fs_info", "sysfs": "kernfs_super_info",
                   "cgroup2": "kernfs_super_info", "cgroup": "kernfs_super_info", "devpts": "pts_fs_info", "hugetlbfs": "hugetlbfs_sb_info"}
        if kind in private and block.s_fs_info.value_() != 0:
            add("file systems' own", cast(f"struct {private[kind]} *", block.s_fs_info))


@walk
def file_objects():
    by_ops = {"eventpoll_fops": "eventpoll", "signalfd_fops": "signalfd_ctx", "timerfd_fops": "timerfd_ctx", "eventfd_fops": "eventfd_ctx",
              "inotify_fops": "fsnotify_group", "tty_fops": "tty_file_private", "userfaultfd_fops": "userfaultfd_ctx", "console_fops": "tty_file_private"}
    names = {}
    for name, type_name in by_ops.items():
        try:
            names[prog.symbol(name).address] = type_name
        except LookupError:
            pass
    pipe = prog.symbol("pipefifo_fops").address
    for task in for_each_task(prog):
        if task.files.value_() == 0:
            continue
        for _, file in for_each_file(task):
            ops = file.f_op.value_()
            if ops in names and file.private_data.value_() != 0:
                add("open files' own", cast(f"struct {names[ops]} *", file.private_data))
            if ops == pipe:
                add("pipes", cast("struct pipe_inode_info *", file.private_data))


@walk
def dentry_names():
    for task in for_each_task(prog):
        if task.files.value_() == 0:
            continue
    offset = prog.type("struct external_name").member("name").offset
    inline = "d_iname" if prog.type("struct dentry").has_member("d_iname") else "d_shortname"
    buckets = prog["dentry_hashtable"]
    for i in range(1 << (32 - prog["d_hash_shift"].value_())):
        at = buckets[i].first.value_() & ~1
        while at != 0:
            node = Object(prog, "struct hlist_bl_node *", value=at)
            dentry = container_of(node, "struct dentry", "d_hash")
            if dentry.d_name.name.value_() != dentry.member_(inline).address_of_().value_():
                add("names of dentries", Object(prog, "struct external_name *", value=dentry.d_name.name.value_() - offset))
            at = node.next.value_() & ~1


@walk
def vmalloc_areas():
    for area in entries(prog["vmap_area_list"], "struct vmap_area", "list"):
        if area.vm.value_() != 0:
            add("vm_struct", area.vm)


@walk
def free_vmalloc_areas():
    for area in entries(prog["free_vmap_area_list"], "struct vmap_area", "list"):
        add("free vmalloc space", area)


@walk
def process_ids():
    for pid in for_each_pid(prog):
        add("PIDs", pid)


@walk
def module_lists():
    for one in entries(prog["modules"], "struct module", "list"):
        for use in entries(one.source_list, "struct module_use", "source_list"):
            add("module_use", use)
    for one in entries(prog["module_kset"].list, "struct module_kobject", "kobj.entry"):
        add("module_kobject", one)


def private_of_buses(kset):
    for one in entries(kset.list, "struct subsys_private", "subsys.kobj.entry"):
        yield one


CONTAINERS = {"pci": ("pci_dev", "dev"), "platform": ("platform_object", "pdev.dev"), "acpi": ("acpi_device", "dev"), "memory": ("memory_block", "dev"),
              "pnp": ("pnp_dev", "dev"), "serio": ("serio", "dev"), "virtio": ("virtio_pci_device", "vdev.dev"), "node": ("node", "dev"),
              "clockevents": None, "workqueue": ("wq_device", "dev")}
PLAIN_CLASSES = {"mem", "tty", "vc", "misc", "bdi", "graphics", "vtconsole", "msr", "cpuid"}


@walk
def buses():
    for one in private_of_buses(prog["bus_kset"]):
        add("buses", one)
        name = one.bus.name.string_().decode()
        for device in klist_objects(one.klist_devices, "struct device_private", "knode_bus"):
            add("device_private", device)
            if CONTAINERS.get(name) is not None:
                type_name, member = CONTAINERS[name]
                try:
                    add("devices", container_of(device.device, f"struct {type_name}", member))
                except LookupError:
                    pass
        for driver in klist_objects(one.klist_drivers, "struct driver_private", "knode_bus"):
            add("driver_private", driver)


@walk
def classes():
    for one in entries(prog["class_kset"].list, "struct subsys_private", "subsys.kobj.entry"):
        add("classes", one)
        name = getattr(one, "class").name.string_().decode()
        for device in klist_objects(one.klist_devices, "struct device_private", "knode_class"):
            add("device_private of classes", device)
            if name in PLAIN_CLASSES:
                add("plain devices", device.device)
            if name == "input" and device.device.type.value_() == prog.symbol("input_dev_type").address:
                add("input devices", container_of(device.device, "struct input_dev", "dev"))


@walk
def netlink_sockets():
    for i in range(32):
        table = prog["nl_table"][i]
        buckets = table.hash.tbl
        if buckets.value_() == 0:
            continue
        for k in range(buckets.size.value_()):
            at = cast("unsigned long", buckets.buckets[k]).value_() & ~1
            while at != 0 and at & 1 == 0:
                node = Object(prog, "struct rhash_head *", value=at)
                add("netlink sockets", container_of(node, "struct netlink_sock", "node"))
                at = node.next.value_()


@walk
def tracing():
    for one in entries(prog["event_subsystems"], "struct event_subsystem", "list"):
        add("event subsystems", one)
    for array in entries(prog["ftrace_trace_arrays"], "struct trace_array", "list"):
        for one in entries(array.systems, "struct trace_subsystem_dir", "list"):
            add("trace subsystem folders", one)


@walk
def kprobe_blacklist():
    for one in entries(prog["kprobe_blacklist"], "struct kprobe_blacklist_entry", "list"):
        add("kprobe blacklist", one)


@walk
def dynamic_debug():
    for one in entries(prog["ddebug_tables"], "struct ddebug_table", "link"):
        add("ddebug tables", one)


@walk
def terminals():
    for one in entries(prog["tty_drivers"], "struct tty_driver", "tty_drivers"):
        add("tty drivers", one)


@walk
def backing_devices():
    for one in entries(prog["bdi_list"], "struct backing_dev_info", "bdi_list"):
        add("backing devices", one)


@walk
def wakeup_sources():
    for one in entries(prog["wakeup_sources"], "struct wakeup_source", "entry"):
        add("wakeup sources", one)


@walk
def led_triggers():
    for one in entries(prog["trigger_list"], "struct led_trigger", "next_trig"):
        add("LED triggers", one)


@walk
def networks():
    for net in entries(prog["net_namespace_list"], "struct net", "list"):
        for device in entries(net.dev_base_head, "struct net_device", "dev_list"):
            add("network devices", device)
        for one in entries(net.rules_ops, "struct fib_rules_ops", "list"):
            add("fib_rules_ops", one)
            for rule in entries(one.rules_list, "struct fib_rule", "list"):
                if one.family.value_() == 2:
                    add("rules of IPv4", container_of(rule, "struct fib4_rule", "common"))
                elif one.family.value_() == 10:
                    add("rules of IPv6", container_of(rule, "struct fib6_rule", "common"))
        for i in range(2):
            for table in hlist_for_each_entry("struct fib_table", net.ipv4.fib_table_hash[i].address_of_(), "tb_hlist"):
                add("routing tables", table)


@walk
def cgroups():
    for root in entries(prog["cgroup_roots"], "struct cgroup_root", "root_list"):
        if root.value_() != prog["cgrp_dfl_root"].address_:
            add("cgroup roots", root)


@walk
def pci():
    def below(bus):
        add("PCI buses", bus)
        for device in entries(bus.devices, "struct pci_dev", "bus_list"):
            add("PCI devices", device)
        for child in entries(bus.children, "struct pci_bus", "node"):
            below(child)

    for bus in entries(prog["pci_root_buses"], "struct pci_bus", "node"):
        below(bus)
        add("PCI host bridges", container_of(bus.bridge, "struct pci_host_bridge", "dev"))


@walk
def irq_domains():
    for one in entries(prog["irq_domain_list"], "struct irq_domain", "link"):
        add("irq domains", one)


@walk
def sysctl():
    def below(directory):
        for node in rbtree_inorder_for_each_entry("struct ctl_node", directory.root.address_of_(), "node"):
            header = node.header
            entry = header.ctl_table + (node.value_() - header.node.value_()) // prog.type("struct ctl_node").size
            if entry.mode.value_() & 0o170000 == 0o040000:
                inner = container_of(header, "struct ctl_dir", "header")
                add("sysctl folders", inner)
                below(inner)
            else:
                add("sysctl tables", header)

    below(prog["sysctl_table_root"].default_set.dir)


@walk
def block_devices():
    for i in range(255):
        one = prog["major_names"][i]
        while one.value_() != 0:
            add("block majors", one)
            one = one.next


@walk
def bpf():
    for _, entry in idr_for_each(prog["btf_idr"].address_of_()):
        add("btf", cast("struct btf *", entry))
    for one in entries(prog["btf_modules"], "struct btf_module", "list"):
        add("btf modules", one)


@walk
def acpi_devices():
    for one in entries(prog["acpi_wakeup_device_list"], "struct acpi_device", "wakeup_list"):
        add("ACPI wake-up devices", one)


json.dump(found, sys.stdout)
