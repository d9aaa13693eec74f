// A kernel small enough to write down: 1 MiB at 0x40000000, the image at its start, everything else in the linear map. A test sets words in memory and names them.
import type { TargetKernel, TargetSymbol } from 'kdumpling/producer';
import { OverlayMemory } from 'kdumpling/producer';
import { architectureByName } from 'kdumpling/reader/arch';
import { Ram } from './ram.js';

export const START = 0x40000000;
export const SIZE = 0x100000;
export const IMAGE = 0xffff800008000000n;
export const LINEAR = 0xffff000000000000n;
/** The image's first 512 KiB. */
const IMAGE_SIZE = 0x80000n;

export const image = (offset: number): bigint => IMAGE + BigInt(offset);
export const linear = (offset: number): bigint => LINEAR + BigInt(offset);

export interface SmallKernel {
  readonly kernel: TargetKernel;
  readonly memory: OverlayMemory;
  /** Writes at an offset from the start of memory. */
  word(offset: number, value: bigint): void;
  u32(offset: number, value: number): void;
  text(offset: number, value: string): void;
}

export interface SmallKernelFacts {
  readonly symbols: Readonly<Record<string, Partial<TargetSymbol> & { readonly address: bigint }>>;
  readonly sizes?: Readonly<Record<string, number>>;
  /** `type.member` -> offset. */
  readonly offsets?: Readonly<Record<string, number>>;
  readonly lengths?: Readonly<Record<string, number>>;
  readonly vmcoreinfo?: string | null;
  readonly objects?: Readonly<Record<string, readonly bigint[]>>;
}

export function smallKernel(facts: SmallKernelFacts): SmallKernel {
  const ram = new Ram(true, 8);
  const memory = new OverlayMemory(ram, 4096);
  const arch = architectureByName('arm64');
  if (arch === null) throw new Error('no arm64');
  const text = facts.vmcoreinfo ?? 'OSRELEASE=6.1.0\nPAGESIZE=4096\n';
  const kernel: TargetKernel = {
    arch,
    littleEndian: true,
    pageSize: 4096,
    memory,
    vmcoreinfo: facts.vmcoreinfo === null ? null : { text, vaddr: linear(0xff000), paddr: START + 0xff000 },
    cpuNotes: [],
    linearRanges: [],
    symbol: name => {
      const symbol = facts.symbols[name];
      return symbol === undefined ? null : { size: null, sizeIsBound: false, ...symbol };
    },
    sizeOf: type => facts.sizes?.[type] ?? null,
    offsetOf: (type, member) => facts.offsets?.[`${type}.${member}`] ?? null,
    objectsOf: type => facts.objects?.[type] ?? null,
    lengthOf: name => facts.lengths?.[name] ?? null,
    translate: vaddr => {
      if (vaddr >= IMAGE && vaddr <= IMAGE + IMAGE_SIZE) return START + Number(vaddr - IMAGE);
      return vaddr >= LINEAR && vaddr < LINEAR + 0x10000000n ? START + Number(vaddr - LINEAR) : null;
    },
    linearAddress: paddr => LINEAR + BigInt(paddr - START),
  };
  return {
    kernel,
    memory,
    word: (offset, value) => ram.view.setBigUint64(offset, value, true),
    u32: (offset, value) => ram.view.setUint32(offset, value, true),
    text: (offset, value) => ram.arena.set(new TextEncoder().encode(`${value}\0`), offset),
  };
}

/** A static and a dynamic printk ring, as VMCOREINFO describes them; `prb` points to one of them. */
export const RING = {
  sizes: { printk_ringbuffer: 64, prb_desc: 24, printk_info: 88 },
  offsets: {
    'printk_ringbuffer.desc_ring': 0,
    'printk_ringbuffer.text_data_ring': 32,
    'prb_desc_ring.count_bits': 0,
    'prb_desc_ring.descs': 8,
    'prb_desc_ring.infos': 16,
    'prb_data_ring.size_bits': 0,
    'prb_data_ring.data': 8,
  },
  symbols: {
    prb: { address: image(0x1000) },
    printk_rb_static: { address: image(0x1100), size: 64 },
    printk_rb_dynamic: { address: image(0x1200), size: 64 },
    _printk_rb_static_descs: { address: image(0x2000), size: 192 },
    _printk_rb_static_infos: { address: image(0x2200), size: 704 },
    __log_buf: { address: image(0x2800), size: 1024 },
  },
} as const;

/** Writes both rings: the static one with 8 records and 1 KiB, the dynamic one with 16 and 4 KiB. */
export function writeRings(small: SmallKernel, inUse: 'static' | 'dynamic'): void {
  const ring = (at: number, bits: number, descs: bigint, infos: bigint, dataBits: number, data: bigint) => {
    small.u32(at, bits);
    small.word(at + 8, descs);
    small.word(at + 16, infos);
    small.u32(at + 32, dataBits);
    small.word(at + 40, data);
  };
  small.word(0x1000, inUse === 'static' ? image(0x1100) : image(0x1200));
  ring(0x1100, 3, image(0x2000), image(0x2200), 10, image(0x2800));
  ring(0x1200, 4, linear(0x90000), linear(0x91000), 12, linear(0x92000));
}
