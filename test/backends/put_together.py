"""Puts memory together from a folder of the raw back-end, knowing only its map, and holds it against an ELF dump: put_together.py FOLDER DUMP

Prints one JSON value: for each region `equal`, `differs` or `absent` (the dump has no such memory).
"""
import json
import os
import struct
import sys


def loads(path):
    with open(path, "rb") as file:
        header = file.read(64)
        wide = header[4] == 2
        phoff = struct.unpack_from("<Q" if wide else "<I", header, 32 if wide else 28)[0]
        size, count = struct.unpack_from("<HH", header, 54 if wide else 42)
        for i in range(count):
            file.seek(phoff + i * size)
            raw = file.read(size)
            if wide:
                kind, _, offset, _, paddr, filesz = struct.unpack_from("<IIQQQQ", raw)
            else:
                kind, offset, _, paddr, filesz = struct.unpack_from("<IIIII", raw)
            if kind == 1:
                yield paddr, filesz, offset


def memory(path, segments, paddr, size):
    for start, length, offset in segments:
        if start <= paddr and paddr + size <= start + length:
            with open(path, "rb") as file:
                file.seek(offset + paddr - start)
                return file.read(size)
    return None


def main(folder, dump):
    with open(os.path.join(folder, "map.json"), encoding="utf8") as file:
        regions = json.load(file)["regions"]
    together = {}
    for region in regions:
        with open(os.path.join(folder, region["file"]), "rb") as file:
            data = file.read()
        assert len(data) == region["size"] and not region["missing"]
        for i, byte in enumerate(data):
            together[int(region["paddr"], 16) + i] = byte
    segments, answer = list(loads(dump)), {}
    for region in regions:
        paddr, size = int(region["paddr"], 16), region["size"]
        wanted = memory(dump, segments, paddr, size)
        mine = bytes(together[paddr + i] for i in range(size))
        answer[region["name"] or hex(paddr)] = "absent" if wanted is None else "equal" if wanted == mine else "differs"
    print(json.dumps(answer))


main(sys.argv[1], sys.argv[2])
