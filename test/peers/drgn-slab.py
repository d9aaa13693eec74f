"""What drgn says of slab caches: python3 drgn-slab.py DUMP VMLINUX CACHE... prints JSON {usage: {name: [total, slabs]}, allocated: {name: [address]}}."""
import json
import sys

import drgn
from drgn.helpers.linux.slab import for_each_slab_cache, slab_cache_for_each_allocated_object, slab_cache_usage

dump, vmlinux, *names = sys.argv[1:]
prog = drgn.Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux])

usage = {}
allocated = {}
for cache in for_each_slab_cache(prog):
    name = cache.name.string_().decode()
    told = slab_cache_usage(cache)
    usage[name] = [told.num_objs, told.num_slabs]
    if name in names:
        objects = slab_cache_for_each_allocated_object(cache, "void *")
        allocated[name] = [hex(one.value_()) for one in objects]
json.dump({"usage": usage, "allocated": allocated}, sys.stdout)
