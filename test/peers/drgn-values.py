# Values of objects of a dump as drgn reads them with DWARF: one JSON list of {type, address, value}. Usage: drgn-values.py DUMP VMLINUX
import json
import sys
import unicodedata

import drgn
from drgn import TypeKind, cast
from drgn.helpers.linux import (
    for_each_online_cpu,
    for_each_slab_cache,
    for_each_task,
    for_each_vma,
    list_for_each_entry,
    path_lookup,
    per_cpu,
    pfn_to_page,
)

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
MOST_TEXT = 4096


def plain(type_):
    while type_.kind == TypeKind.TYPEDEF:
        type_ = type_.type
    return type_


def exact(number):
    return number if -(2**53) < number < 2**53 else hex(number)


def text(data):
    data = data[:MOST_TEXT]
    try:
        found = data.split(b"\0")[0].decode()
        if not any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in found):
            return found
    except UnicodeDecodeError:
        pass
    return list(data)


# A char *: its text, where text lies there. Of a dump by QEMU drgn takes physical memory for addresses near 0.
def string(object_):
    try:
        found = text(object_.string_() + b"\0") if object_.value_() >> 63 else None
    except drgn.FaultError:
        found = None
    return {"address": hex(object_.value_()), "text": found if isinstance(found, str) else None}


# As BTF has it: one length for all dimensions.
def flat(object_, type_):
    if type_.kind != TypeKind.ARRAY:
        return [object_]
    return [one for i in range(type_.length or 0) for one in flat(object_[i], plain(type_.type))]


def array(object_, type_):
    innermost = type_
    while innermost.kind == TypeKind.ARRAY:
        innermost = plain(innermost.type)
    if not type_.length:
        return []
    if innermost.kind == TypeKind.INT and innermost.name == "char":
        return text(prog.read(object_.address_, drgn.sizeof(type_)))
    return [value(one) for one in flat(object_, type_)]


def members(object_, type_):
    found = {}
    for member in type_.members:
        if member.name is None:
            found.update(members(object_, plain(member.type)))
        else:
            found[member.name] = value(object_.member_(member.name))
    return found


def value(object_):
    type_ = plain(object_.type_)
    try:
        if type_.kind in (TypeKind.STRUCT, TypeKind.UNION, TypeKind.CLASS):
            return members(object_, type_) if type_.is_complete() else None
        if type_.kind == TypeKind.ARRAY:
            return array(object_, type_)
        if type_.kind == TypeKind.POINTER and plain(type_.type).kind == TypeKind.INT and plain(type_.type).name == "char":
            return string(object_)
        if type_.kind == TypeKind.POINTER:
            return hex(object_.value_())
        if type_.kind == TypeKind.ENUM:
            number = object_.value_()
            return next((one.name for one in type_.enumerators or [] if one.value == number), exact(number))
        if type_.kind == TypeKind.BOOL:
            return object_.value_()
        return exact(object_.value_())
    except drgn.FaultError:
        return None


def objects():
    tasks = list(for_each_task(prog))
    for task in [prog["init_task"], *(one[0] for one in tasks[:3]), *(one[0] for one in tasks[-2:])]:
        yield task
        yield task.signal[0]
        yield task.files[0] if task.files else task.cred[0]
    owner = max((one for one in tasks if one.mm), key=lambda one: (one.mm.map_count.value_(), one.pid.value_()))
    yield owner.mm[0]
    for area in list(for_each_vma(owner.mm))[:3]:
        yield area[0]
    for cpu in list(for_each_online_cpu(prog))[:2]:
        yield per_cpu(prog["runqueues"], cpu)
        yield per_cpu(prog["timer_bases"], cpu)[0]
        yield per_cpu(prog["hrtimer_bases"], cpu)
    for module in list(list_for_each_entry("struct module", prog["modules"].address_of_(), "list"))[:2]:
        yield module[0]
    for cache in list(for_each_slab_cache(prog))[:3]:
        yield cache[0]
    for block in list(list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list"))[:3]:
        yield block[0]
    root = path_lookup(prog, "/")
    yield root.mnt[0]
    yield root.dentry[0]
    yield root.dentry.d_inode[0]
    for device in list(list_for_each_entry("struct net_device", prog["init_net"].dev_base_head.address_of_(), "dev_list"))[:2]:
        yield device[0]
    for pfn in (0x1000, 0x2000, 0x4321):
        yield pfn_to_page(prog["init_task"].__class__(prog, "unsigned long", pfn))[0]
    yield prog["init_uts_ns"]
    yield prog["init_mm"]
    yield prog["root_task_group"]


print(
    json.dumps(
        [{"type": one.type_.type_name(), "address": hex(one.address_), "value": value(one)} for one in objects()]
    )
)
