// A kernel made by hand: four levels of x86-64 that map an image and two vmalloc pages.
import type { MappedDump } from 'kdumpling/analysis/vtop';
import { AddressMap } from 'kdumpling/reader';
import { type Architecture, architectureByName } from 'kdumpling/reader/arch';
import type { Note } from 'kdumpling/reader/formats/notes';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { PiecesMemory } from '../../reader/pieces-memory.js';

export const PAGE = 4096;
export const TOP = 0x1000;
export const IMAGE = 0xffff_ffff_8100_0000n;
export const IMAGE_PADDR = 0x20_0000;
export const VMALLOC = 0xffff_c900_0000_0000n;

export const table = (entries: Readonly<Record<number, bigint>>): Uint8Array => {
  const view = new DataView(new ArrayBuffer(PAGE));
  for (const [index, entry] of Object.entries(entries)) view.setBigUint64(8 * Number(index), entry, true);
  return new Uint8Array(view.buffer);
};

/** `image`: what the pmd entry of the image is. */
export function memory(image: bigint): PiecesMemory {
  const uts = new Uint8Array(PAGE);
  uts.set(new TextEncoder().encode('Linux'), 0x100);
  uts.set(new TextEncoder().encode('6.1.0'), 0x100 + 2 * 65);
  const pages: readonly Uint8Array[] = [
    table({ 402: 0x2067n, 511: 0x4067n }), // 1000, pgd: 402 is VMALLOC, 511 the image
    table({ 0: 0x3067n }), // 2000, pud
    table({ 0: 0x6067n }), // 3000, pmd
    table({ 510: 0x5067n }), // 4000, pud
    table({ 8: image }), // 5000, pmd of the image
    table({ 0: 0x7163n, 1: 0x8163n, 3: 0x9163n }), // 6000, pte
    new Uint8Array(PAGE).fill(0x77), // 7000
    new Uint8Array(PAGE).fill(0x88), // 8000
  ];
  return new PiecesMemory([
    ...pages.map((bytes, i) => ({ paddr: TOP + i * PAGE, bytes })),
    { paddr: IMAGE_PADDR, bytes: uts },
  ]);
}

export const INFO =
  'OSRELEASE=6.1.0\nPAGESIZE=4096\nNUMBER(pgtable_l5_enabled)=0\nOFFSET(uts_namespace.name)=0\nSYMBOL(init_uts_ns)=ffffffff81000100\n';

export function dumpOf(
  physical: PiecesMemory,
  info: string | null,
  ranges: boolean,
  notes: readonly Note[] = [],
): MappedDump {
  const image = {
    name: 'image',
    method: 'linear' as const,
    first: 0xffff_ffff_80e0_0000n,
    last: 0xffff_ffff_bfff_ffffn,
    target: 0,
    confirmedBy: 'init_uts_ns',
    partial: false,
  };
  return {
    arch: architectureByName('x86_64') as Architecture,
    pageSize: PAGE,
    physical,
    virtual: new AddressMap(physical, ranges ? [image] : []),
    vmcoreinfo: info === null ? null : new Vmcoreinfo(info),
    notes,
  };
}

export const GOOD = 0x20_01e3n;
export const ROOT = 'SYMBOL(swapper_pg_dir)=ffffffff80e01000\n';
