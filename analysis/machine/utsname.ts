// Who the kernel says it is: struct new_utsname of init_uts_ns. Source: include/uapi/linux/utsname.h, include/linux/uts_namespace.h (6.x).
import { fixedText, type VirtualMemory } from 'kdumpling/reader';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';

/** Six fields of __NEW_UTS_LEN + 1 bytes. */
const LENGTH = 65;
const FIELDS = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;

export type Utsname = Readonly<Record<(typeof FIELDS)[number], string>>;

/** Null if VMCOREINFO does not name it or it cannot be read. */
export function readUtsname(virtual: VirtualMemory, vmcoreinfo: Vmcoreinfo | null): Utsname | null {
  const symbol = vmcoreinfo?.symbol('init_uts_ns');
  if (symbol === undefined) return null;
  const at = virtual.locate(symbol + BigInt(vmcoreinfo?.offset('uts_namespace', 'name') ?? 0), FIELDS.length * LENGTH);
  if (at < 0) return null;
  const field = (i: number) => fixedText(virtual.arena.subarray(at + i * LENGTH, at + (i + 1) * LENGTH));
  if (field(0) !== 'Linux') return null;
  return {
    sysname: field(0),
    nodename: field(1),
    release: field(2),
    version: field(3),
    machine: field(4),
    domainname: field(5),
  };
}
