"""Finds a kernel's symbols in an ELF dump by nothing but a debug_kinfo area: kinfo_symbols.py AREA DUMP

Written from the description of the area (magic, checksum, seven layouts) and of kallsyms. Prints `LAYOUT` and then one line per symbol: its physical address
(`-` for an absolute value), type and name.
"""
import struct
import sys

# size -> offsets of _relative, _stext, _offsets, _names, _token_table, _token_index, last_uts_release
KERNEL = dict(relative=24, stext=40, offsets=80, names=88, tokens=96, index=104, release=140)
ANDROID = dict(relative=32, stext=40, offsets=80, names=88, tokens=96, index=104, release=132)
LAYOUTS = {216: KERNEL, 452: ANDROID, 464: ANDROID, 468: ANDROID, 472: KERNEL, 484: ANDROID, 504: ANDROID}


def recognise(area):
    assert struct.unpack_from("<I", area)[0] == 0xCCEEDDFF
    fits = []
    for size, layout in LAYOUTS.items():
        if size > len(area):
            continue
        total = 0
        for word in struct.unpack_from(f"<{size // 4 - 1}I", area, 4):
            total ^= word
        release = area[layout["release"] : layout["release"] + 64].split(b"\0")[0]
        if total == 0 and release[:1].isdigit() and all(0x20 < letter < 0x7F for letter in release):
            fits.append(size)
    assert fits, "no layout fits"
    return fits[-1] if len(area) == fits[-1] else fits[0]


class Dump:
    def __init__(self, path):
        self.file = open(path, "rb")
        header = self.file.read(64)
        phoff, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
        self.loads = []
        for i in range(count):
            self.file.seek(phoff + i * size)
            kind, _, offset, _, paddr, filesz = struct.unpack("<IIQQQQ", self.file.read(40))
            if kind == 1:
                self.loads.append((paddr, filesz, offset))

    def read(self, paddr, size):
        for start, length, offset in self.loads:
            if start <= paddr < start + length:
                self.file.seek(offset + paddr - start)
                return self.file.read(min(size, start + length - paddr))
        raise ValueError(hex(paddr))


def names(dump, area, layout, count):
    address = lambda name: struct.unpack_from("<Q", area, layout[name])[0]
    index = struct.unpack("<256H", dump.read(address("index"), 512))
    table = dump.read(address("tokens"), 65536)
    tokens = [table[start : table.index(b"\0", start)] for start in index]
    packed = dump.read(address("names"), count * 64)
    at = 0
    for _ in range(count):
        length = packed[at]
        at += 1
        if length & 0x80:
            length = length & 0x7F | packed[at] << 7
            at += 1
        text = b"".join(tokens[byte] for byte in packed[at : at + length])
        at += length
        yield text[:1].decode(), text[1:].decode()


def main(area_path, dump_path):
    with open(area_path, "rb") as file:
        area = file.read()
    size = recognise(area)
    layout = LAYOUTS[size]
    base_relative, absolute_percpu = area[9], area[10]
    count = struct.unpack_from("<I", area, 12)[0]
    dump = Dump(dump_path)
    offsets_at = struct.unpack_from("<Q", area, layout["offsets"])[0]
    offsets = struct.unpack(f"<{count}i", dump.read(offsets_at, 4 * count))
    symbols = list(names(dump, area, layout, count))
    if base_relative == 0:  # 7.0 and later: each offset counts from its own place
        places = [offsets_at + 4 * i + offset for i, offset in enumerate(offsets)]
    else:
        places = [(None if offset >= 0 else -1 - offset) if absolute_percpu else offset & 0xFFFFFFFF for offset in offsets]
        relative = struct.unpack_from("<Q", area, layout["relative"])[0]
        if relative == 0:  # the newest driver leaves it 0: _stext is known by name and by address
            at = next(i for i, (_, name) in enumerate(symbols) if name == "_stext")
            relative = struct.unpack_from("<Q", area, layout["stext"])[0] - places[at]
        places = [None if place is None else relative + place for place in places]
    print(size)
    for place, (kind, name) in zip(places, symbols):
        print("-" if place is None else f"{place:x}", kind, name)


main(sys.argv[1], sys.argv[2])
