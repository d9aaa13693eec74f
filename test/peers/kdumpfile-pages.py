#!/usr/bin/env python3
"""What libkdumpfile reads of a dump, page by page, as checksums.

    kdumpfile-pages.py [--step N] [--size BYTES] [--end PFN] FILE...

Several files are the parts of a split set. The first line is "PAGE_SIZE MAX_PFN"; then, for every Nth page in order of page
frame numbers, its CRC-32 in hexadecimal, or "-" where libkdumpfile has no data, or "!" and the reason where reading fails otherwise.
"""
import argparse
import os
import sys
import zlib

import kdumpfile


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--step', type=int, default=1)
    parser.add_argument('--size', type=int, default=0, help='read pages of this size instead of the kernel\'s')
    parser.add_argument('--end', type=int, default=0, help='the first page that is not read')
    parser.add_argument('files', nargs='+')
    arguments = parser.parse_args()
    context = kdumpfile.Context()
    descriptors = [os.open(name, os.O_RDONLY) for name in arguments.files]
    if len(descriptors) == 1:
        context.open_fd(descriptors[0])
    else:
        context.open_fdset(*descriptors)
    size = arguments.size or int(context.attr['arch.page_size'])
    pages = int(context.attr['max_pfn']) * int(context.attr['arch.page_size']) // size
    out = [f'{size} {pages}']
    for page in range(0, arguments.end or pages, arguments.step):
        try:
            out.append(f'{zlib.crc32(context.read(kdumpfile.MACHPHYSADDR, page * size, size)):x}')
        except kdumpfile.NoDataError:
            out.append('-')
        except kdumpfile.KdumpfileError as error:
            out.append(f'!{error}')
        if len(out) > 65536:
            sys.stdout.write('\n'.join(out) + '\n')
            out = []
    sys.stdout.write('\n'.join(out) + '\n')


main()
