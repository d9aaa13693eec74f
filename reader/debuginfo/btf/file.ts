// BTF in files: the .BTF section of a vmlinux or a module, or a bare file such as a copy of /sys/kernel/btf/vmlinux.
import { btfByteOrder } from '../../formats/btf.js';
import { SHT_NOBITS } from '../../formats/elf.js';
import type { Issues } from '../../issue.js';
import type { ByteSource } from '../../source.js';
import type { ElfFile } from '../elf-file.js';
import { BtfTypes } from './btf-types.js';
import { sectionsOfSource } from './sections.js';

/** Null if the file has no .BTF section. Throws InputError where it has one without a header. */
export function btfOfElf(file: ElfFile, issues: Issues, base: BtfTypes | null = null): BtfTypes | null {
  const section = file.sections.find(one => one.label === '.BTF' && one.type !== SHT_NOBITS && one.size > 0);
  if (section === undefined) return null;
  const sections = sectionsOfSource(file.source, section.offset, section.size, issues);
  if (base !== null) return BtfTypes.openSplit(sections, base, { issues });
  return BtfTypes.open(sections, { pointerSize: file.header.bits === 32 ? 4 : 8, issues });
}

/** Whether a file is bare BTF. */
export function isBtf(start: Uint8Array): boolean {
  return btfByteOrder(start) !== null && start[2] === 1;
}

/** Throws InputError where the file does not begin with a header of BTF. */
export function btfOfFile(source: ByteSource, issues: Issues, base: BtfTypes | null = null): BtfTypes {
  const sections = sectionsOfSource(source, 0, source.size, issues);
  return base === null ? BtfTypes.open(sections, { issues }) : BtfTypes.openSplit(sections, base, { issues });
}
