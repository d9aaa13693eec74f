"""Compares the memory of two dumps with libkdumpfile: same_pages.py FIRST SECOND [STEP]

Every STEP-th page (default: every page) that FIRST has must be in SECOND with the same bytes. What FIRST has is taken from its PT_LOADs. Prints one JSON value.
"""
import json
import struct
import sys

import kdumpfile


def segments(path):
    """[paddr, end) of each PT_LOAD."""
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
                kind, _, _, _, paddr, filesz = struct.unpack(order + "IIQQQQ", header[:40])
            else:
                kind, _, _, paddr, filesz = struct.unpack(order + "IIIII", header[:20])
            if kind == 1:
                yield paddr, paddr + filesz


def main(first, second, step):
    one, two = kdumpfile.Context(), kdumpfile.Context()
    one.open(first)
    two.open(second)
    page = one.attr["arch.page_size"]
    compared, differ, absent = 0, [], []
    block = page * 256 if step == 1 else page
    done = 0
    for start, end in sorted(set(segments(first))):
        at = max(start, done)
        while at < end:
            length = min(block, end - at)
            bytes_one = one.read(kdumpfile.MACHPHYSADDR, at, length)
            try:
                bytes_two = two.read(kdumpfile.MACHPHYSADDR, at, length)
            except kdumpfile.KdumpfileError:
                bytes_two = None
                absent.append(hex(at))
            if bytes_two is not None and bytes_one != bytes_two:
                differ.append(hex(at))
            compared += (length + page - 1) // page
            at += block * (step if step > 1 else 1)
        done = max(done, end)
    print(json.dumps({"compared": compared, "differ": differ[:20], "absent": absent[:20]}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
