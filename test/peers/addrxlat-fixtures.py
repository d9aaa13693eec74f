#!/usr/bin/env python3
"""What libkdumpfile's addrxlat makes of page tables that are written as text (test/fixtures/vtop; the format is told in test/analysis/vtop/fixture.ts).

    addrxlat-fixtures.py FILE...

One line of JSON for each file: {name, asked, wrong: [line and what addrxlat says]}, or {name, unsupported} where addrxlat does not know the mode.
Addresses for which only Linux has an answer (the processor calls them not present) are not asked.
"""
import json
import os
import re
import sys

import addrxlat

# mode -> format of entries, bits of index from the page up
MODES = {
    'x86_64, 4 levels': (addrxlat.PTE_X86_64, (12, 9, 9, 9, 9)),
    'x86_64, 5 levels': (addrxlat.PTE_X86_64, (12, 9, 9, 9, 9, 9)),
    'i386, PAE': (addrxlat.PTE_IA32_PAE, (12, 9, 9, 2)),
    'i386, 2 levels': (addrxlat.PTE_IA32, (12, 10, 10)),
    'arm64, 4K pages, 39 bits': (addrxlat.PTE_AARCH64, (12, 9, 9, 9)),
    'arm64, 4K pages, 48 bits': (addrxlat.PTE_AARCH64, (12, 9, 9, 9, 9)),
    'arm64, 4K pages, 52 bits': (addrxlat.PTE_AARCH64_LPA2, (12, 9, 9, 9, 9, 4)),
    'arm64, 16K pages, 36 bits': (addrxlat.PTE_AARCH64, (14, 11, 11)),
    'arm64, 16K pages, 47 bits': (addrxlat.PTE_AARCH64, (14, 11, 11, 11)),
    'arm64, 16K pages, 48 bits': (addrxlat.PTE_AARCH64, (14, 11, 11, 11, 1)),
    'arm64, 16K pages, 52 bits': (addrxlat.PTE_AARCH64_LPA2, (14, 11, 11, 11, 5)),
    'arm64, 64K pages, 42 bits': (addrxlat.PTE_AARCH64, (16, 13, 13)),
    # The top table of a kernel that was built for 52 bits.
    'arm64, 64K pages, 48 bits': (addrxlat.PTE_AARCH64_LPA, (16, 13, 13, 10)),
    'arm64, 64K pages, 52 bits': (addrxlat.PTE_AARCH64_LPA, (16, 13, 13, 10)),
    'arm, short descriptors': (addrxlat.PTE_ARM, (12, 8, 12)),
    'riscv64, Sv39': (addrxlat.PTE_RISCV64, (12, 9, 9, 9)),
    'riscv64, Sv48': (addrxlat.PTE_RISCV64, (12, 9, 9, 9, 9)),
    'riscv64, Sv57': (addrxlat.PTE_RISCV64, (12, 9, 9, 9, 9, 9)),
    's390x, 2 levels': (addrxlat.PTE_S390X, (12, 8, 11)),
    's390x, 3 levels': (addrxlat.PTE_S390X, (12, 8, 11, 11)),
    's390x, 4 levels': (addrxlat.PTE_S390X, (12, 8, 11, 11, 11)),
    's390x, 5 levels': (addrxlat.PTE_S390X, (12, 8, 11, 11, 11, 11)),
}


# The bindings of 0.5.6 free memory that they have freed already: what was made is kept, and the process ends without Python's own end.
KEPT = []


class Fixture:
    def __init__(self, path):
        self.known, self.entries, self.questions, self.info, self.buffers = {}, {}, [], {}, []
        table = 0
        for line in open(path, encoding='utf-8'):
            text = line.split('#')[0].strip()
            words = text.split()
            if not words:
                continue
            if re.fullmatch(r'\d+:', words[0]):
                self.entries[table + int(words[0][:-1]) * self.size] = int(words[1], 16)
            elif words[0] == 'info':
                key, value = text[5:].split('=', 1)
                self.info[key] = value
            elif words[0] == 'known':
                self.known[int(words[1], 16)] = int(words[3], 16)
            elif words[0] == 'mode':
                self.mode = text[5:]
            elif words[0] == 'entries':
                self.size = int(words[1])
                self.order = addrxlat.BIG_ENDIAN if words[2] == 'big' else addrxlat.LITTLE_ENDIAN
            elif words[0] == 'table':
                table = int(words[1], 16)
            elif words[0] in ('kernel', 'user'):
                self.questions.append((text, words))

    def get_page(self, buffer):
        """addrxlat's callback: one entry."""
        value = self.entries.get(buffer.addr.addr, 0)
        buffer.data = bytearray(value.to_bytes(self.size, 'big' if self.order == addrxlat.BIG_ENDIAN else 'little'))
        buffer.byte_order = self.order
        # addrxlat keeps a pointer to it.
        self.buffers.append(buffer)


def root_and_mode(fixture, words):
    if words[0] == 'kernel':
        return fixture.known[int(fixture.info['SYMBOL(swapper_pg_dir)'], 16)], fixture.mode
    value = int(words[1], 16)
    if fixture.mode.startswith('s390x'):
        return value & ~0xfff, 's390x, %d levels' % ((value >> 2 & 3) + 2)
    return fixture.known[value], fixture.mode


def ask(fixture, words):
    root, mode = root_and_mode(fixture, words)
    form, fields = MODES[mode]
    context, system = addrxlat.Context(), addrxlat.System()
    context.read_caps = addrxlat.CAPS(addrxlat.KPHYSADDR)
    context.cb_get_page = fixture.get_page
    method = addrxlat.PageTableMethod(addrxlat.KPHYSADDR)
    method.root = addrxlat.FullAddress(addrxlat.KPHYSADDR, root)
    method.pte_format, method.fields = form, fields
    method.pte_mask = int(fixture.info.get('NUMBER(sme_mask)', '0'))
    system.set_meth(addrxlat.SYS_METH_PGT, method)
    everything = addrxlat.Map()
    everything.set(0, addrxlat.Range(2**64 - 1, addrxlat.SYS_METH_PGT))
    system.set_map(addrxlat.SYS_MAP_KV_PHYS, everything)
    address = addrxlat.FullAddress(addrxlat.KVADDR, int(words[2 if words[0] == 'user' else 1], 16))
    KEPT.extend((context, system, method, everything, address))
    try:
        address.conv(addrxlat.KPHYSADDR, context, system)
    except addrxlat.exceptions.AddrxlatError as error:
        return str(error)
    return address.addr


def main():
    for path in sys.argv[1:]:
        fixture = Fixture(path)
        KEPT.append(fixture)
        name = os.path.basename(path)
        if fixture.mode not in MODES:
            print(json.dumps({'name': name, 'unsupported': fixture.mode}))
            continue
        wrong, asked = [], 0
        for text, words in fixture.questions:
            verb, answer, level = words[3 if words[0] == 'user' else 2:][:3]
            # Reserved bits and what a table may hold are not addrxlat's to check.
            if answer in ('corrupt', 'hole') or verb == 'fault' and level == '-':
                continue
            asked += 1
            said = ask(fixture, words)
            right = said == int(answer, 16) if verb == '->' else isinstance(said, str)
            if not right:
                wrong.append([text, hex(said) if isinstance(said, int) else said])
        print(json.dumps({'name': name, 'asked': asked, 'wrong': wrong}))


main()
sys.stdout.flush()
os._exit(0)
