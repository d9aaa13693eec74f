"""Layouts of structs and unions as drgn reads them from DWARF: drgn-structs.py FILE..., names as `struct task_struct` on standard input, a JSON line for each name of each file."""
import json
import sys

import drgn

names = [line.strip() for line in sys.stdin]
for file in sys.argv[1:]:
    prog = drgn.Program()
    prog.extra_module("vmlinux", create=True).try_file(file, force=True)
    for name in names:
        try:
            type_ = prog.type(name)
        except LookupError:
            print(json.dumps({"file": file, "name": name, "size": None}))
            continue
        members = [[member.name or "", member.bit_offset, member.bit_field_size or 0] for member in type_.members or []]
        print(json.dumps({"file": file, "name": name, "size": type_.size, "members": members}))
