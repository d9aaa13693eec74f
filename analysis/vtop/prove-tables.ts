// Whether page tables are the kernel's, told by what is known without them: addresses of the image and the linear map lead to the same places, or known content lies where
// they lead.
import { AddressMap, fixedText, hex } from 'kdumpling/reader';
import type { PagingProbe } from 'kdumpling/reader/arch';
import { mappings } from './mappings.js';
import type { PageTable } from './page-table.js';

/** `by` names what confirmed the tables; `against` what they have wrong; both '' where nothing could tell. */
export interface TableProof {
  readonly by: string;
  readonly against: string;
}

const NOTHING: TableProof = { by: '', against: '' };
/** Variables and functions of the image. */
const IMAGE = ['_stext', 'init_uts_ns', 'swapper_pg_dir', 'init_task'] as const;
/** struct new_utsname: members of 65 bytes, the release is the third. */
const UTS_LENGTH = 65;
/** How many pages are looked at where nothing else can tell. */
const MOST_PAGES = 64;

/** @param virtual its ranges only are asked */
export function proveTables(table: PageTable, probe: PagingProbe, virtual: AddressMap): TableProof {
  const through = new AddressMap(probe.physical, []);
  through.translator = table;
  const proofs = [
    () => sameAsMap(table, probe, virtual),
    () => utsname(through, probe),
    () => banner(through, probe),
    () => moduleList(through, probe, virtual),
  ];
  let against = '';
  for (const prove of proofs) {
    const proof = prove();
    if (proof.by !== '') return proof;
    if (against === '') against = proof.against;
  }
  // Tables that hold none of all that: those of ppc64 with the hash MMU, which has no tables for the image.
  return against === '' ? pagesAreThere(table) : { by: '', against };
}

/** An address whose place is known leads there. */
function sameAsMap(table: PageTable, probe: PagingProbe, virtual: AddressMap): TableProof {
  let against = '';
  for (const { name, vaddr, paddr } of knownPlaces(table, probe, virtual)) {
    const { physical } = table.walk(vaddr);
    if (physical === paddr) return { by: name, against: '' };
    if (physical !== null && against === '')
      against = `they lead from ${name} (${hex(vaddr)}) to physical ${hex(physical)}, and it is at ${hex(paddr)}`;
  }
  return { by: '', against };
}

function* knownPlaces(
  table: PageTable,
  probe: PagingProbe,
  virtual: AddressMap,
): Iterable<{ name: string; vaddr: bigint; paddr: number }> {
  for (const name of IMAGE) {
    const vaddr = probe.symbol(name);
    const paddr = vaddr === null ? -1 : probe.toPhysical(vaddr);
    if (vaddr !== null && paddr >= 0) yield { name, vaddr, paddr };
  }
  // The top table itself, by its linear address.
  const { root } = table.tables;
  for (const { name, first, last, target } of virtual.ranges) {
    const vaddr = first + BigInt(root - target);
    if (name === 'linear' && root >= target && vaddr <= last) yield { name: 'the linear map', vaddr, paddr: root };
  }
}

function utsname(through: AddressMap, probe: PagingProbe): TableProof {
  const { vmcoreinfo } = probe;
  const address = probe.symbol('init_uts_ns');
  const release = vmcoreinfo?.release;
  if (address === null || release === undefined) return NOTHING;
  const at = through.locate(address + BigInt(vmcoreinfo?.offset('uts_namespace', 'name') ?? 0), 3 * UTS_LENGTH);
  if (at < 0) return NOTHING;
  const said = fixedText(through.arena.subarray(at + 2 * UTS_LENGTH, at + 3 * UTS_LENGTH));
  return said === release
    ? { by: 'init_uts_ns', against: '' }
    : { by: '', against: 'what they have at init_uts_ns is not the kernel release' };
}

function banner(through: AddressMap, probe: PagingProbe): TableProof {
  const address = probe.symbol('linux_banner');
  const at = address === null ? -1 : through.locate(address, 16);
  if (at < 0) return NOTHING;
  return fixedText(through.arena.subarray(at, at + 14)) === 'Linux version '
    ? { by: 'linux_banner', against: '' }
    : { by: '', against: 'what they have at linux_banner is no banner' };
}

/** The list of modules: its head is known without tables, the modules are not, and the first one points back at the head. */
function moduleList(through: AddressMap, probe: PagingProbe, virtual: AddressMap): TableProof {
  const { physical } = probe;
  const head = probe.symbol('modules');
  if (head === null || virtual.locate(head, physical.pointerSize) < 0) return NOTHING;
  const first = virtual.pointer(head);
  const back = first + BigInt(physical.pointerSize);
  if (first === head || through.locate(back, physical.pointerSize) < 0) return NOTHING;
  return through.pointer(back) === head
    ? { by: 'modules', against: '' }
    : { by: '', against: 'what they have where the first module should be is none' };
}

/** Most of the first pages that they map are in the dump; what is not may be device memory. */
function pagesAreThere(table: PageTable): TableProof {
  let pages = 0;
  let present = 0;
  for (const { physical } of mappings(table)) {
    pages++;
    if (table.physical.locate(physical, 8) >= 0) present++;
    if (pages === MOST_PAGES) break;
  }
  return present > 0 && present * 2 >= pages ? { by: 'the pages they map', against: '' } : NOTHING;
}
