"""All slab caches, or all their allocated objects, by drgn's own helpers: python3 drgn-slab.py caches|objects DUMP VMLINUX.

The objects are found as fast as drgn's helpers allow: one pass over the memory map for all caches, struct pages read in bulk, then each cache's own helper for what is free.
"""
import sys

import drgn
from drgn import FaultError, Object
from drgn.helpers.linux import slab as S
from drgn.helpers.linux.slab import for_each_slab_cache, slab_cache_usage

what, dump, vmlinux = sys.argv[1:]
prog = drgn.Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])
CHUNK = 32768


def slab_pages():
    """Addresses of the struct pages of all slabs' heads."""
    page = prog.type("struct page")
    size = page.size
    flags = drgn.offsetof(page, "flags") // 8
    base = prog["vmemmap_base"].value_()
    try:
        bit = prog.constant("PGTY_slab").value_()
        offset = drgn.offsetof(page, "page_type")
        test = lambda words: [i for i, word in enumerate(words) if word >> 24 == bit]
        view, step, first = "I", size // 4, offset // 4
    except LookupError:
        mask = 1 << prog.constant("PG_slab").value_()
        test = lambda words: [i for i, word in enumerate(words) if word & mask]
        view, step, first = "Q", size // 8, flags
    for pfn in range(0, prog["max_pfn"].value_(), CHUNK):
        count = min(CHUNK, prog["max_pfn"].value_() - pfn)
        try:
            data = prog.read(base + pfn * size, count * size)
        except FaultError:
            continue
        for i in test(memoryview(data).cast(view)[first::step].tolist()):
            yield pfn + i, base + (pfn + i) * size


def caches():
    for cache in for_each_slab_cache(prog):
        usage = slab_cache_usage(cache)
        name = cache.name.string_().decode()
        print(hex(cache.value_()), cache.object_size.value_(), usage.active_objs, usage.num_objs, usage.num_slabs, name)


def objects():
    slab_type = S._get_slab_type(prog)
    by_cache = {}
    for pfn, address in slab_pages():
        slab = Object(prog, slab_type, address)
        by_cache.setdefault(slab.slab_cache.value_(), []).append((pfn, slab))
    direct = prog["page_offset_base"].value_()
    out = []
    for cache in for_each_slab_cache(prog):
        helper = S._get_slab_cache_helper(cache)
        elsewhere = helper._sheaves_full_objects() | helper._per_cpu_info().free_objects
        size = cache.size.value_()
        for pfn, slab in by_cache.get(cache.value_(), ()):
            free = helper._slub_get_freelist(lambda: hex(slab.value_()), slab.freelist)
            first = direct + pfn * 4096 + helper._red_left_pad
            for at in range(first, first + size * slab.objects.value_(), size):
                if at not in free and at not in elsewhere:
                    out.append(hex(at))
    print("\n".join(out))


caches() if what == "caches" else objects()
