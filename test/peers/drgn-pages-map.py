# What drgn says of page frames, a line each: frame, address of the struct page, flags, head, whether a slab has it (and whose), whether it is anonymous.
# Usage: drgn-pages-map.py DUMP VMLINUX FIRST END STEP
import sys

import drgn
from drgn import cast
from drgn.helpers.linux.mm import PageSlab, compound_head, page_to_pfn, pfn_to_page

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
first, end, step = map(int, sys.argv[3:6])
for pfn in range(first, end, step):
    page = pfn_to_page(prog, pfn)
    flags = page.flags
    if hasattr(flags, "f"):
        flags = flags.f
    head = compound_head(page)
    slab = bool(PageSlab(head))
    cache = cast("struct slab *", head).slab_cache.value_() if slab else 0
    anonymous = head.mapping.value_() & 1
    print(pfn, f"{page.value_():x}", f"{flags.value_():x}", page_to_pfn(head).value_(), int(slab), f"{cache:x}", anonymous, page._refcount.counter.value_())
