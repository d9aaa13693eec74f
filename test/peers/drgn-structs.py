"""Layouts of structs and unions as drgn reads them from DWARF: drgn-structs.py VMLINUX, names as `struct task_struct` on standard input, a JSON line for each."""
import json
import sys

import drgn

prog = drgn.Program()
prog.extra_module("vmlinux", create=True).try_file(sys.argv[1], force=True)
for line in sys.stdin:
    name = line.strip()
    try:
        type_ = prog.type(name)
    except LookupError:
        print(json.dumps({"name": name, "size": None}))
        continue
    members = [[member.name or "", member.bit_offset, member.bit_field_size or 0] for member in type_.members or []]
    print(json.dumps({"name": name, "size": type_.size, "members": members}))
