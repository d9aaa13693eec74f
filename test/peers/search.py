# Where words and text lie in the physical memory of an ELF64 dump: a plain look at all bytes of its segments.
# Arguments: DUMP and a JSON list of [bytes in hex, mask in hex, alignment]; prints a list of addresses for each.
import json
import re
import struct
import sys

data = open(sys.argv[1], "rb").read()
(phoff,) = struct.unpack_from("<Q", data, 32)
size, count = struct.unpack_from("<HH", data, 54)
loads = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * size) for i in range(count)]
answer = []
for wanted, mask, align in json.loads(sys.argv[2]):
    want, bits = bytes.fromhex(wanted), bytes.fromhex(mask)
    # What counts wholly is looked for, the rest compared where that is.
    run = max(re.finditer(rb"\xff+", bits), key=lambda match: len(match.group()))
    start, key = run.start(), want[run.start() : run.end()]
    found = []
    for kind, _, offset, _, paddr, filesz, _, _ in loads:
        if kind != 1:
            continue
        at = data.find(key, offset, offset + filesz)
        while at >= 0:
            first = at - start
            here = data[first : first + len(want)]
            whole = first >= offset and first + len(want) <= offset + filesz
            if whole and (paddr + first - offset) % align == 0:
                if all(a & m == b & m for a, b, m in zip(here, want, bits)):
                    found.append(paddr + first - offset)
            at = data.find(key, at + 1, offset + filesz)
    answer.append(sorted(found))
print(json.dumps(answer))
