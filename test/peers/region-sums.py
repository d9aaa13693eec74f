#!/usr/bin/env python3
"""What drgn reads at given physical addresses of a dump, as checksums.

    region-sums.py FILE < LINES          each line "PADDR SIZE", the address in hexadecimal; per line the SHA-256 of the bytes, or "-"
"""
import hashlib
import sys

import drgn


def main():
    program = drgn.Program()
    program.set_core_dump(sys.argv[1])
    for line in sys.stdin:
        address, size = line.split()
        try:
            print(hashlib.sha256(program.read(int(address, 16), int(size), physical=True)).hexdigest())
        except drgn.FaultError:
            print('-')


main()
