// The downstream counterpart of made-minidump.ts: a header blob with sections and a string table, written from the layout's description. Layout: drivers/soc/qcom/msm_minidump.c (5.15).
import { noise } from './made-dump.js';
import {
  align4,
  BANNER,
  EHDR,
  type Entry,
  elfHeader,
  type Field,
  HEADER_AT,
  IMAGE,
  LINEAR,
  type MadeMinidump,
  type MadeRegion,
  PHDR,
  programHeader,
  RAM,
  SLOTS,
  Writer,
} from './made-minidump.js';

const SHDR: readonly (readonly [string, number, number])[] = [
  ['sh_name', 0, 4],
  ['sh_type', 4, 4],
  ['sh_flags', 8, 8],
  ['sh_addr', 16, 8],
  ['sh_offset', 24, 8],
  ['sh_size', 32, 8],
];

const NAMES: readonly (readonly [string, number, number, boolean])[] = [
  ['KDATABSS', 0, 9000, true],
  ['KROAIDATA', 0, 4100, true],
  ['KSPERCPU0', 0, 2048, false],
  ['KSPERCPU1', 0, 2048, false],
  ['KSTACK', 0, 1024, false],
  ['KTASK', 0, 1024, false],
  ['KTASK', 1, 1024, false],
  ['KMODULES', 0, 256, false],
];

export interface MadeMsm extends MadeMinidump {
  readonly banner: MadeRegion;
}

export function madeMsm(): MadeMsm {
  let paddr = RAM + 0x2_0000;
  const regions = NAMES.map(([name, seq, size, image], i): MadeRegion => {
    const at = paddr;
    paddr += (size + 0xfff) & ~0xfff;
    return { name, seq, paddr: at, vaddr: (image ? IMAGE : LINEAR) + BigInt(at - RAM), bytes: noise(size, 300 + i) };
  });
  const text = Uint8Array.from(BANNER, letter => letter.charCodeAt(0));
  const banner = { name: 'linux_banner', seq: 0, paddr: RAM + 0x5000, vaddr: IMAGE + 0x5000n, bytes: text };
  const { bytes, fields } = header(regions, banner);
  const VALI = 0x56414c49;
  const entries: Entry[] = [
    { name: 'KELF_HDR', seq: 0, paddr: HEADER_AT, bytes, valid: VALI },
    ...regions.map(({ name, seq, paddr: at, bytes: content }) => ({
      name,
      seq,
      paddr: at,
      bytes: content,
      valid: VALI,
    })),
  ];
  return { regions, entries, vmcoreinfo: '', headerFields: fields, notesAt: 0, banner };
}

function header(regions: readonly MadeRegion[], banner: MadeRegion): { bytes: Uint8Array; fields: Field[] } {
  const phoff = 64 + 64 * SLOTS;
  const stringsAt = 64 + 120 * SLOTS;
  const bannerAt = stringsAt + 16 * SLOTS;
  const total = align4(64 + 16 * SLOTS + banner.bytes.length + 120 * (SLOTS + 4));
  const writer = new Writer(total);
  elfHeader(writer, phoff, regions.length + 1, 64, regions.length + 4);
  let strings = 1;
  const name = (text: string): number => {
    const at = strings;
    writer.text(stringsAt + at, text);
    strings += text.length + 1;
    return at;
  };
  const section = (
    index: number,
    text: string,
    type: number,
    flags: number,
    addr: bigint,
    offset: number,
    size: number,
  ) => {
    const at = 64 + 64 * index;
    writer.u32(at, name(text), type);
    writer.u64(at + 8, flags, addr, offset, size);
  };
  section(1, 'STR_TBL', 3, 0, 0n, stringsAt, 16 * SLOTS);
  section(2, 'minidump_table', 1, 0, IMAGE + 0x8000n, 0, 0);
  section(3, 'linux_banner', 1, 1, banner.vaddr, bannerAt, banner.bytes.length);
  programHeader(writer, phoff, 1, bannerAt, banner, banner.bytes.length);
  writer.bytes.set(banner.bytes, bannerAt);
  let offset = total;
  regions.forEach((region, i) => {
    section(4 + i, region.name, 1, 1, region.vaddr, offset, region.bytes.length);
    programHeader(writer, phoff + 56 * (i + 1), 1, offset, region, region.bytes.length);
    offset += region.bytes.length;
  });
  const fields: Field[] = EHDR.map(([field, at, size]) => ({ name: field, at, size }));
  for (const index of [1, 3, 4, 6, 11]) {
    for (const [field, at, size] of SHDR)
      fields.push({ name: `shdr ${index} ${field}`, at: 64 + 64 * index + at, size });
  }
  for (const index of [0, 1, 3, 4, 6, regions.length]) {
    for (const [field, at, size] of PHDR)
      fields.push({ name: `phdr ${index} ${field}`, at: phoff + 56 * index + at, size });
  }
  return { bytes: writer.bytes, fields };
}
