// Small ELF cores of every class and byte order, with notes, overlapping and odd segments, PN_XNUM, sections alone, and an ELF file with symbols.
// Layouts: System V gABI; include/uapi/linux/elf.h.
import type { Base, InputFile } from '../mutations.js';
import { type FieldShape, Recorder, shape, type Values } from '../recorder.js';

export interface ElfShape {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
}

const EHDR_TAIL = 'e_flags:4 e_ehsize:2 e_phentsize:2 e_phnum:2 e_shentsize:2 e_shnum:2 e_shstrndx:2';
const IDENT = 'EI_MAG0:1 EI_MAG1:1 EI_MAG2:1 EI_MAG3:1 EI_CLASS:1 EI_DATA:1 EI_VERSION:1 EI_OSABI:1 EI_PAD:8';
const EHDR: Record<32 | 64, readonly FieldShape[]> = {
  32: shape(`${IDENT} e_type:2 e_machine:2 e_version:4 e_entry:4 e_phoff:4 e_shoff:4 ${EHDR_TAIL}`),
  64: shape(`${IDENT} e_type:2 e_machine:2 e_version:4 e_entry:8 e_phoff:8 e_shoff:8 ${EHDR_TAIL}`),
};
const PHDR: Record<32 | 64, readonly FieldShape[]> = {
  32: shape('p_type:4 p_offset:4 p_vaddr:4 p_paddr:4 p_filesz:4 p_memsz:4 p_flags:4 p_align:4'),
  64: shape('p_type:4 p_flags:4 p_offset:8 p_vaddr:8 p_paddr:8 p_filesz:8 p_memsz:8 p_align:8'),
};
const SHDR: Record<32 | 64, readonly FieldShape[]> = {
  32: shape(
    'sh_name:4 sh_type:4 sh_flags:4 sh_addr:4 sh_offset:4 sh_size:4 sh_link:4 sh_info:4 sh_addralign:4 sh_entsize:4',
  ),
  64: shape(
    'sh_name:4 sh_type:4 sh_flags:8 sh_addr:8 sh_offset:8 sh_size:8 sh_link:4 sh_info:4 sh_addralign:8 sh_entsize:8',
  ),
};
const SYM: Record<32 | 64, readonly FieldShape[]> = {
  32: shape('st_name:4 st_value:4 st_size:4 st_info:1 st_other:1 st_shndx:2'),
  64: shape('st_name:4 st_info:1 st_other:1 st_shndx:2 st_value:8 st_size:8'),
};
export const NHDR = shape('n_namesz:4 n_descsz:4 n_type:4');
export const EHDR_SIZE = { 32: 52, 64: 64 } as const;
export const PHDR_SIZE = { 32: 32, 64: 56 } as const;
export const SHDR_SIZE = { 32: 40, 64: 64 } as const;

export function writeEhdr(out: Recorder, { bits }: ElfShape, values: Values): void {
  out.record('ELF header', 0, EHDR[bits], {
    EI_MAG0: 0x7f,
    EI_MAG1: 0x45,
    EI_MAG2: 0x4c,
    EI_MAG3: 0x46,
    EI_CLASS: bits / 32,
    EI_DATA: out.littleEndian ? 1 : 2,
    EI_VERSION: 1,
    e_type: 4,
    e_version: 1,
    e_ehsize: EHDR_SIZE[bits],
    e_phentsize: PHDR_SIZE[bits],
    e_shentsize: SHDR_SIZE[bits],
    ...values,
  });
}

export function writePhdr(out: Recorder, { bits }: ElfShape, table: number, index: number, values: Values): void {
  const at = table + index * PHDR_SIZE[bits];
  out.record(`program header ${index}`, at, PHDR[bits], { p_flags: 6, ...values });
}

export function writeShdr(out: Recorder, { bits }: ElfShape, table: number, index: number, values: Values): void {
  out.record(`section header ${index}`, table + index * SHDR_SIZE[bits], SHDR[bits], values);
}

const align4 = (size: number): number => (size + 3) & ~3;

/** Writes a note; returns where the next begins. */
export function writeNote(out: Recorder, at: number, name: string, type: number, descriptor: Uint8Array): number {
  const end = out.record(`note ${name} ${type}`, at, NHDR, {
    n_namesz: name.length + 1,
    n_descsz: descriptor.length,
    n_type: type,
  });
  out.text(end, name);
  const descriptorAt = end + align4(name.length + 1);
  return out.put(descriptorAt, descriptor) + align4(descriptor.length) - descriptor.length;
}

export const VMCOREINFO = new TextEncoder().encode(
  [
    'OSRELEASE=6.18.0-fixture',
    'BUILD-ID=00112233445566778899aabbccddeeff00112233',
    'PAGESIZE=4096',
    'SYMBOL(init_uts_ns)=ffffffff81001000',
    'SYMBOL(_stext)=ffffffff81000000',
    'SYMBOL(swapper_pg_dir)=ffffffff81002000',
    'SYMBOL(prb)=ffffffff81003000',
    'NUMBER(phys_base)=0',
    'NUMBER(VA_BITS)=48',
    'NUMBER(kimage_voffset)=0xffff7fff88000000',
    'SIZE(printk_info)=88',
    'OFFSET(uts_namespace.name)=0',
    'LENGTH(mem_section)=2048',
    'KERNELOFFSET=0',
    'CONFIG_X86_PAE=y',
    'CRASHTIME=1700000000',
    '',
  ].join('\n'),
);

/** Bytes that are known and look like nothing. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const MACHINE = { 'true-64': 62, 'true-32': 3, 'false-64': 22, 'false-32': 20 } as const;
const machineOf = (kind: ElfShape): number => MACHINE[`${kind.littleEndian}-${kind.bits}`];
const nameOf = (kind: ElfShape): string => `elf${kind.bits}-${kind.littleEndian ? 'le' : 'be'}`;

/** Notes of a crashed machine: two CPUs, VMCOREINFO, a device dump. */
function writeNotes(out: Recorder, at: number, kind: ElfShape): number {
  const prstatus = new Uint8Array(kind.bits === 64 ? 336 : 144);
  let end = at;
  for (let cpu = 0; cpu < 2; cpu++) end = writeNote(out, end, 'CORE', 1, prstatus);
  end = writeNote(out, end, 'VMCOREINFO', 0, VMCOREINFO);
  const device = new Uint8Array(44 + 20);
  device.set(new TextEncoder().encode('driver_name'));
  return writeNote(out, end, 'LINUX', 0x700, device);
}

/** A vmcore: notes, two segments that overlap, one that claims more memory than it has, one without a physical address. */
function core(kind: ElfShape, extended = false): InputFile {
  const page = 4096;
  const out = new Recorder(page * 7, kind.littleEndian);
  const phoff = EHDR_SIZE[kind.bits];
  const count = 5;
  const shoff = phoff + count * PHDR_SIZE[kind.bits];
  const notesAt = shoff + SHDR_SIZE[kind.bits];
  const extra = extended ? { e_phnum: 0xffff, e_shnum: 1, e_shoff: shoff } : { e_phnum: count };
  writeEhdr(out, kind, { e_machine: machineOf(kind), e_phoff: phoff, ...extra });
  if (extended) writeShdr(out, kind, shoff, 0, { sh_info: count });
  const notesEnd = writeNotes(out, notesAt, kind);
  writePhdr(out, kind, phoff, 0, {
    p_type: 4,
    p_offset: notesAt,
    p_filesz: notesEnd - notesAt,
    p_memsz: notesEnd - notesAt,
  });
  const image = kind.bits === 64 ? 0xffffffff81000000n : 0xc1000000n;
  const loads = [
    { p_offset: page, p_vaddr: image, p_paddr: 0x1000000, p_filesz: 4 * page, p_memsz: 4 * page },
    { p_offset: 5 * page, p_vaddr: image + 0x3000n, p_paddr: 0x1003000, p_filesz: page, p_memsz: page },
    { p_offset: 6 * page, p_vaddr: 0, p_paddr: 0x2000000, p_filesz: page, p_memsz: 3 * page },
    { p_offset: 6 * page, p_vaddr: image + 0x10000n, p_paddr: -1, p_filesz: page, p_memsz: page },
  ];
  for (const [i, load] of loads.entries()) {
    writePhdr(out, kind, phoff, i + 1, { p_type: 1, ...load });
    out.edge(load.p_offset + load.p_filesz);
  }
  out.put(page, noise(4 * page, 1));
  out.put(5 * page, noise(page, 2));
  out.put(6 * page, noise(page, 3));
  out.text(page + 0x1000, 'Linux version 6.18.0-fixture (build@fixture)\n\0');
  return { name: 'vmcore', bytes: out.bytes, fields: out.fields, edges: out.edges };
}

/** rproc_coredump_using_sections(): no program headers. */
function sectionsOnly(kind: ElfShape): InputFile {
  const out = new Recorder(4096, kind.littleEndian);
  const table = EHDR_SIZE[kind.bits];
  const strings = table + 4 * SHDR_SIZE[kind.bits];
  writeEhdr(out, kind, { e_machine: 164, e_shoff: table, e_shnum: 4, e_shstrndx: 1, e_phentsize: 0 });
  writeShdr(out, kind, table, 0, {});
  writeShdr(out, kind, table, 1, { sh_name: 1, sh_type: 3, sh_offset: strings, sh_size: 23 });
  writeShdr(out, kind, table, 2, { sh_name: 9, sh_type: 1, sh_addr: 0x8b000000, sh_offset: 1024, sh_size: 2048 });
  writeShdr(out, kind, table, 3, { sh_name: 14, sh_type: 1, sh_addr: 0x8b100000, sh_offset: 3072, sh_size: 1000 });
  out.text(strings, '\0STR_TBL\0text\0md_heap\0');
  out.put(1024, noise(2048, 4));
  out.put(3072, noise(1000, 5));
  return { name: 'devcoredump', bytes: out.bytes, fields: out.fields, edges: out.edges };
}

/** An ELF file with symbols, as --vmlinux takes it: sections and a symbol table, a build id. */
export function vmlinux(kind: ElfShape): InputFile {
  const out = new Recorder(4096, kind.littleEndian);
  const symbols = ['_stext', 'init_uts_ns', 'linux_banner', 'swapper_pg_dir'];
  const names = `\0${symbols.join('\0')}\0`;
  const sections = '\0.text\0.symtab\0.strtab\0.shstrtab\0.notes\0';
  const entry = kind.bits === 64 ? 24 : 16;
  const [symtab, strtab, shstrtab, notes, table] = [256, 512, 768, 1024, 1536];
  writeEhdr(out, kind, { e_type: 2, e_machine: machineOf(kind), e_shoff: table, e_shnum: 6, e_shstrndx: 4 });
  out.record('symbol 0', symtab, SYM[kind.bits], {});
  symbols.forEach((symbol, i) => {
    const value = 0x81000000n + BigInt(i * 0x1000) + (kind.bits === 64 ? 0xffffffff00000000n : 0n);
    const at = symtab + (i + 1) * entry;
    out.record(`symbol ${i + 1}`, at, SYM[kind.bits], {
      st_name: names.indexOf(symbol),
      st_value: value,
      st_size: 64,
      st_info: 0x11,
      st_shndx: 1,
    });
  });
  out.text(strtab, names);
  out.text(shstrtab, sections);
  const notesEnd = writeNote(out, notes, 'GNU', 3, noise(20, 6));
  const section = (index: number, name: string, values: Values) =>
    writeShdr(out, kind, table, index, { sh_name: sections.indexOf(name), ...values });
  writeShdr(out, kind, table, 0, {});
  section(1, '.text', { sh_type: 1, sh_addr: 0x81000000, sh_offset: 2048, sh_size: 2048 });
  section(2, '.symtab', {
    sh_type: 2,
    sh_offset: symtab,
    sh_size: entry * (symbols.length + 1),
    sh_link: 3,
    sh_info: 1,
    sh_entsize: entry,
  });
  section(3, '.strtab', { sh_type: 3, sh_offset: strtab, sh_size: names.length });
  section(4, '.shstrtab', { sh_type: 3, sh_offset: shstrtab, sh_size: sections.length });
  section(5, '.notes', { sh_type: 7, sh_offset: notes, sh_size: notesEnd - notes });
  return { name: 'vmlinux', bytes: out.bytes, fields: out.fields, edges: out.edges };
}

export const ELF_SHAPES: readonly ElfShape[] = [
  { bits: 64, littleEndian: true },
  { bits: 64, littleEndian: false },
  { bits: 32, littleEndian: true },
  { bits: 32, littleEndian: false },
];

export function elfBases(): Base[] {
  const bases: Base[] = [];
  for (const kind of ELF_SHAPES) {
    bases.push({ name: nameOf(kind), kind: 'dump', files: [core(kind)] });
  }
  for (const kind of [ELF_SHAPES[0], ELF_SHAPES[3]]) {
    bases.push({ name: `vmlinux-${nameOf(kind)}`, kind: 'symbols', files: [vmlinux(kind)] });
  }
  bases.push({ name: 'elf64-le-xnum', kind: 'dump', files: [core(ELF_SHAPES[0], true)] });
  bases.push({ name: 'elf32-le-sections', kind: 'dump', files: [sectionsOnly(ELF_SHAPES[2])] });
  bases.push({ name: 'elf64-le-sections', kind: 'dump', files: [sectionsOnly(ELF_SHAPES[0])] });
  return bases;
}
