"""Holds a region core against the dump that it was carved from: regions.py DUMP CORE [VADDR:LENGTH ...]

Each PT_LOAD's bytes in the core must be what libkdumpfile (or drgn) reads from the dump at p_paddr; VADDR:LENGTH are read from the core by drgn. Knows ELF and nothing else.
Prints one JSON value.
"""
import json
import struct
import sys

import drgn
import kdumpfile


def loads(path):
    """(p_offset, p_vaddr, p_paddr, p_filesz) of each PT_LOAD."""
    with open(path, "rb") as file:
        ident = file.read(16)
        wide, order = ident[4] == 2, "<" if ident[5] == 1 else ">"
        file.seek(32 if wide else 28)
        phoff = struct.unpack(order + ("Q" if wide else "I"), file.read(8 if wide else 4))[0]
        file.seek(54 if wide else 42)
        size, count = struct.unpack(order + "HH", file.read(4))
        file.seek(phoff)
        for _ in range(count):
            header = file.read(size)
            if wide:
                kind, _, offset, vaddr, paddr, filesz = struct.unpack(order + "IIQQQQ", header[:40])
            else:
                kind, offset, vaddr, paddr, filesz = struct.unpack(order + "IIIII", header[:20])
            if kind == 1:
                yield offset, vaddr, paddr, filesz


def reader(dump):
    """A function (paddr, length) -> bytes: libkdumpfile, or drgn where it cannot open the file (section tables of big-endian ELF files)."""
    context = kdumpfile.Context()
    try:
        context.open(dump)
        return "libkdumpfile", lambda paddr, length: context.read(kdumpfile.MACHPHYSADDR, paddr, length)
    except kdumpfile.SystemError:
        program = drgn.Program()
        program.set_core_dump(dump)
        # Without a VMCOREINFO note drgn reads by p_vaddr, which in such a file of QEMU is p_paddr.
        return "drgn", program.read


def main(dump, core, reads):
    by, read_dump = reader(dump)
    segments, differ, total = [], [], 0
    with open(core, "rb") as file:
        for offset, vaddr, paddr, filesz in loads(core):
            file.seek(offset)
            here = file.read(filesz)
            there = read_dump(paddr, filesz)
            if here != there or len(here) != filesz:
                differ.append(hex(paddr))
            segments.append([hex(vaddr), hex(paddr), filesz])
            total += filesz
    texts = []
    if reads:
        program = drgn.Program()
        program.set_core_dump(core)
        for read in reads:
            vaddr, length = read.split(":")
            texts.append(program.read(int(vaddr, 16), int(length)).decode("latin1"))
    print(json.dumps({"by": by, "segments": segments, "bytes": total, "differ": differ, "texts": texts}))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
