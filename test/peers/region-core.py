#!/usr/bin/env python3
"""What drgn makes of a region core, by names and types of the kernel.

    region-core.py CORE VMLINUX          lines: banner, release, node name, number of log lines, last log line
"""
import sys

import drgn
from drgn.helpers.linux.printk import get_dmesg


def main():
    program = drgn.Program()
    program.set_core_dump(sys.argv[1])
    try:
        program.load_debug_info([sys.argv[2]])
    except drgn.MissingDebugInfoError:
        pass  # modules: a region core has no list of them
    uts = program['init_uts_ns'].name
    log = get_dmesg(program).splitlines()
    print(program['linux_banner'].string_().decode().strip())
    print(uts.release.string_().decode())
    print(uts.nodename.string_().decode())
    print(len(log))
    print(log[-1].decode())


main()
