// Dumps that are recognised but not read, by their first bytes, each with what reads or converts it. Source: crash lkcd_dump_v1.h, sadump.h, vmware_vmss.h,
// qemu-load.h; makedumpfile sadump_mod.h; LiME disk format; libvirt qemu_driver; Microsoft DUMP_HEADER; s390-tools zgetdump.
import { InputError } from '../fault.js';
import type { DumpInput, DumpProbe } from './container.js';

interface Refused {
  readonly what: string;
  readonly advice: string;
  /** Bytes in hexadecimal, or text, and where they are (default 0). */
  readonly magic: string | readonly number[];
  readonly at?: number;
}

const REFUSED: readonly Refused[] = [
  { what: 'an LKCD dump', advice: 'crash reads it', magic: [0xed, 0x23, 0x8f, 0x61, 0x73, 0x01, 0x19, 0xa8] },
  { what: 'an LKCD dump', advice: 'crash reads it', magic: [0xa8, 0x19, 0x01, 0x73, 0x61, 0x8f, 0x23, 0xed] },
  {
    what: 'a stand-alone dump of s390',
    advice: 'zgetdump -f elf makes an ELF core of it',
    magic: [0xa8, 0x19, 0x01, 0x73, 0x61, 0x8f, 0x23, 0xfd],
  },
  { what: 'an LKCD live dump', advice: 'crash reads it', magic: [0xfd, 0x23, 0x8f, 0x61, 0x73, 0x01, 0x19, 0xa8] },
  { what: 'a diskdump or netdump of an old Red Hat kernel', advice: 'crash reads it', magic: 'DISKDUMP' },
  { what: 'a sadump image', advice: 'makedumpfile -c converts it', magic: 'sadump\0\0' },
  { what: 'a sadump image', advice: 'makedumpfile -c converts it', magic: 'sadump\0\0', at: 512 },
  { what: 'a VMware saved state', advice: 'vmss2core converts it', magic: [0xd0, 0xbe, 0xd2, 0xbe] },
  { what: 'a VMware saved state', advice: 'vmss2core converts it', magic: [0xd1, 0xba, 0xd1, 0xba] },
  { what: 'a VMware saved state', advice: 'vmss2core converts it', magic: [0xd2, 0xbe, 0xd2, 0xbe] },
  { what: 'a VMware saved state', advice: 'vmss2core converts it', magic: [0xd3, 0xbe, 0xd3, 0xbe] },
  {
    what: 'a QEMU migration stream (savevm)',
    advice: 'load it into QEMU and use dump-guest-memory; crash reads those of x86',
    magic: 'QEVM',
  },
  {
    what: 'a libvirt saved guest',
    advice: 'restore it and use virsh dump --memory-only',
    magic: 'LibvirtQemudSave',
  },
  {
    what: 'a libvirt saved guest, cut short',
    advice: 'restore it and use virsh dump --memory-only',
    magic: 'LibvirtQemudPart',
  },
  {
    what: 'a QEMU disk image',
    advice: 'start the guest from its snapshot and use dump-guest-memory',
    magic: 'QFI\u00fb',
  },
  {
    what: 'a LiME image',
    advice: 'volatility3 layerwriter makes a raw image, to be given as FILE@PADDR',
    magic: 'EMiL',
  },
  { what: 'an AVML image', advice: 'avml-convert makes a LiME or raw image', magic: 'AVML' },
  { what: 'a Windows crash dump', advice: 'it holds no Linux kernel; WinDbg reads it', magic: 'PAGEDU64' },
  { what: 'a Windows crash dump', advice: 'it holds no Linux kernel; WinDbg reads it', magic: 'PAGEDUMP' },
  { what: 'a Windows minidump of a program', advice: 'it holds no kernel', magic: 'MDMP' },
  { what: 'compressed with gzip', advice: 'unpack it first (gunzip)', magic: [0x1f, 0x8b] },
  { what: 'compressed with Zstandard', advice: 'unpack it first (zstd -d)', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { what: 'compressed with xz', advice: 'unpack it first (unxz)', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { what: 'compressed with bzip2', advice: 'unpack it first (bunzip2)', magic: 'BZh' },
  { what: 'compressed with LZ4', advice: 'unpack it first (unlz4)', magic: [0x04, 0x22, 0x4d, 0x18] },
  { what: 'a ZIP archive', advice: 'unpack it first', magic: [0x50, 0x4b, 0x03, 0x04] },
  { what: 'a tar archive', advice: 'unpack it first', magic: 'ustar', at: 257 },
];

/** VMware's guest dumps begin with a version, which is no magic. */
const GUEST_DUMP = /\.guest$/;

export const refusedProbe: DumpProbe = {
  name: 'formats that are not read',
  probe(input) {
    if (input.isFolder || input.raw !== null) return 'it is not a file of its own';
    const known = REFUSED.find(({ magic, at = 0 }) => matches(input.head, magic, at));
    if (known !== undefined) throw refusal(input, known.what, known.advice, known.at ?? 0);
    if (GUEST_DUMP.test(input.name)) throw refusal(input, 'a VMware guest dump, by its name', 'crash reads it', 0);
    return 'its first bytes are not those of a format known by name';
  },
};

function matches(head: Uint8Array, magic: string | readonly number[], at: number): boolean {
  const bytes = typeof magic === 'string' ? Array.from(magic, letter => letter.charCodeAt(0)) : magic;
  return head.length >= at + bytes.length && bytes.every((byte, i) => head[at + i] === byte);
}

function refusal(input: DumpInput, what: string, advice: string, offset: number): InputError {
  return new InputError(
    { source: input.name, record: 'first bytes', offset, field: 'magic' },
    `it is ${what}, which is not read`,
    advice,
  );
}
