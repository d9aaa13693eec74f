#!/usr/bin/env python3
"""What drgn reads of a dump by physical address, page by page, as checksums.

    drgn-pages.py [--step N] [--virtual] --size BYTES --end PFN FILE

Where the only segment has p_paddr 0, drgn takes it for one without a physical address; --virtual reads by p_vaddr, if that is 0 too.

The first line is "SIZE END"; then, for every Nth page in order of page frame numbers, its CRC-32 in hexadecimal, or "-" where drgn
cannot read it.
"""
import argparse
import sys
import zlib

import drgn


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--step', type=int, default=1)
    parser.add_argument('--size', type=int, required=True)
    parser.add_argument('--end', type=int, required=True)
    parser.add_argument('--virtual', action='store_true')
    parser.add_argument('file')
    arguments = parser.parse_args()
    program = drgn.Program()
    program.set_core_dump(arguments.file)
    out = [f'{arguments.size} {arguments.end}']
    for page in range(0, arguments.end, arguments.step):
        try:
            data = program.read(page * arguments.size, arguments.size, physical=not arguments.virtual)
            out.append(f'{zlib.crc32(data):x}')
        except drgn.FaultError:
            out.append('-')
    sys.stdout.write('\n'.join(out) + '\n')


main()
