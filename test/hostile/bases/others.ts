// Inputs that are no dumps: region-set files, System.map, and the data of one compressed page for each codec.
import type { Base } from '../mutations.js';
import { noise } from './elf.js';
import { COMPRESSED_PAGES } from './pages.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const REGION_SET = `{
  "regionSet": 1,
  "regions": [
    { "symbol": "linux_banner", "name": "banner", "id": 11 },
    { "symbol": "prb", "length": 8 },
    { "vaddr": "0xffffffff81000000", "paddr": "0x1000000", "length": 4096, "name": "text" },
    { "paddr": "0x2000000", "length": 64 },
    { "type": "task_struct" }
  ]
}
`;

const SYSTEM_MAP = ['T _stext', 'D linux_banner', 'D init_uts_ns', 'B _end']
  .map((line, i) => `${(0xffffffff81000000n + BigInt(i) * 0x1000n).toString(16)} ${line}\n`)
  .join('');

export function otherBases(): Base[] {
  return [
    {
      name: 'System.map',
      kind: 'symbols',
      files: [{ name: 'System.map', bytes: text(SYSTEM_MAP), text: true, edges: [0, 16, 17, 19, 40] }],
    },
    {
      name: 'region-set',
      kind: 'region-set',
      files: [{ name: 'set.json', bytes: text(REGION_SET), text: true, edges: [1, 20, 100] }],
    },
    ...Object.entries(COMPRESSED_PAGES).map(([codec, bytes]): Base => {
      const edges = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => i * 7);
      const fields = [...bytes.keys()].map(offset => ({
        record: codec,
        name: `byte ${offset}`,
        offset,
        width: 1 as const,
        littleEndian: true,
      }));
      return { name: codec, kind: 'codec', files: [{ name: codec, bytes, edges, fields: fields.slice(0, 48) }] };
    }),
    {
      name: 'raw-image',
      kind: 'raw',
      files: [{ name: 'memory', bytes: noise(3 * 4096 + 7, 40), edges: [0, 1, 4096, 8192] }],
    },
  ];
}
