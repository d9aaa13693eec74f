// The system's names for a dump header: those of the input's own header, else of init_uts_ns in memory, else what VMCOREINFO and the architecture tell.
import type { Dump } from 'kdumpling/reader';
import { fixedText } from 'kdumpling/reader';
import { UTSNAME_FIELDS, type Utsname } from 'kdumpling/reader/formats/diskdump';

/** __NEW_UTS_LEN + 1. */
const FIELD_SIZE = 65;

export function utsnameOf(dump: Dump): Utsname {
  const inMemory = utsnameInMemory(dump);
  const field = (name: (typeof UTSNAME_FIELDS)[number], otherwise: string): string => {
    const key = `kdump.utsname.${name}`;
    const inHeader = dump.attributes.override(key, '') ?? dump.attributes.get(key)?.value;
    // QEMU leaves all but `machine` empty, and that is sometimes `Unknown`.
    if (typeof inHeader === 'string' && inHeader !== '' && inHeader !== 'Unknown') return inHeader;
    return inMemory?.[name] ?? otherwise;
  };
  return {
    sysname: field('sysname', 'Linux'),
    nodename: field('nodename', ''),
    release: field('release', dump.vmcoreinfo?.release ?? ''),
    version: field('version', ''),
    machine: field('machine', dump.arch?.machineNames[0] ?? ''),
    domainname: field('domainname', ''),
  };
}

/** struct new_utsname at init_uts_ns.name; null where it cannot be read or is none. */
function utsnameInMemory(dump: Dump): Utsname | null {
  const address = dump.vmcoreinfo?.symbol('init_uts_ns');
  const offset = dump.vmcoreinfo?.offset('uts_namespace', 'name');
  if (address === undefined || offset === undefined) return null;
  const { virtual } = dump;
  const length = UTSNAME_FIELDS.length * FIELD_SIZE;
  const at = virtual.locate(address + BigInt(offset), length);
  if (at < 0) return null;
  const text = (i: number) => {
    const from = at + i * FIELD_SIZE;
    return fixedText(virtual.arena.subarray(from, from + FIELD_SIZE));
  };
  const [sysname, nodename, release, version, machine, domainname] = UTSNAME_FIELDS.map((_, i) => text(i));
  if (sysname !== 'Linux') return null;
  return { sysname, nodename, release, version, machine, domainname };
}
