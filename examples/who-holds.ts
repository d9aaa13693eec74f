// Who holds this object? Every word of memory that points into the slab object at ADDRESS, with what it lies in: kdumpling run who-holds.ts DUMP ADDRESS
import type { ScriptContext } from 'kdumpling/analysis';
import { infer } from 'kdumpling/analysis/infer';
import { memberAt, typeNamed } from 'kdumpling/analysis/object';
import { searchPhysical } from 'kdumpling/analysis/search';
import { SlabLookup, slabAllocator } from 'kdumpling/analysis/slab';

export default function ({ kernel, args, issues }: ScriptContext) {
  if (args.length !== 1) throw new Error('give the ADDRESS of a slab object: kdumpling run who-holds.ts DUMP ADDRESS');
  const allocator = slabAllocator(kernel, issues);
  const place = new SlabLookup(allocator, issues).at(BigInt(args[0]));
  const object = place?.object ?? null;
  if (place === null || object === null) throw new Error(`${args[0]} is in no slab object`);
  const end = object + BigInt(place.cache.objectSize);

  // Pointers into the object agree in their upper bits: with one block that it lies in, or with the next.
  const block = 2n ** BigInt(place.cache.objectSize.toString(2).length);
  const values = [object, object + block].map(value => value - (value % block));
  const words = { kind: 'words', size: 8, values, ignore: block - 1n, align: 8 } as const;

  const types = infer(kernel, issues);
  const rows: { address: bigint; to: number; cache: string | null; type: string | null; member: string | null }[] = [];
  searchPhysical(kernel.physical, words, kernel.physical.bounds, (paddr, value) => {
    if (value === null || value < object || value >= end) return true;
    const address = allocator.map.toVirtual(paddr);
    const holder = types.at(address);
    const type = holder?.type ?? null;
    const isStruct = type !== null && /^struct \w+$/.test(type);
    rows.push({
      address,
      to: Number(value - object),
      cache: holder?.cache ?? null,
      type,
      member: isStruct && holder !== null ? memberAt(typeNamed(kernel, type), Number(address - holder.address)) : null,
    });
    return true;
  });
  return rows;
}
