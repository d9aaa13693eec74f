// BTF of modules: the kernel keeps it in a list of struct btf_module, each with a struct btf whose data is split BTF on top of the kernel's. (module.btf_data is NULL once a
// module is loaded.) Source: kernel/bpf/btf.c (5.11 to 7.3).
import { MemoryFault } from '../../fault.js';
import { btfHeaderFault, decodeBtfHeader } from '../../formats/btf.js';
import type { Issues } from '../../issue.js';
import type { VirtualMemory } from '../../memory.js';
import { type MemberPlace, memberPlace } from '../member-path.js';
import type { Symbols } from '../symbols.js';
import { sizeOfType } from '../types.js';
import { BtfTypes } from './btf-types.js';
import { readerOf } from './find.js';
import { HEADER_READ, readBtfSections } from './sections.js';

const LIST = 'btf_modules';
/** Of each struct, what is read of it. */
const MEMBERS = {
  btf_module: ['list.next', 'list.prev', 'btf'],
  btf: ['data', 'data_size', 'start_id', 'start_str_off', 'name'],
} as const;
/** Some ten times of what any machine loads. */
const MOST_MODULES = 4096;

type Places = ReadonlyMap<string, MemberPlace>;

/** One module's BTF; its types are read when they are first asked for. */
export class ModuleBtf {
  readonly name: string;
  /** Of struct btf. */
  readonly address: bigint;
  readonly data: bigint;
  readonly size: number;
  readonly startId: number;
  readonly startName: number;
  readonly #memory: VirtualMemory;
  readonly #base: BtfTypes;
  readonly #issues: Issues;
  #types: BtfTypes | null | undefined;

  constructor(memory: VirtualMemory, base: BtfTypes, btf: Places, address: bigint, issues: Issues) {
    const at = (member: string) => address + BigInt(btf.get(member)?.offset ?? 0);
    this.#memory = memory;
    this.#base = base;
    this.#issues = issues;
    this.address = address;
    this.name = memory.text(at('name'), sizeOfType(btf.get('name')?.type ?? base.type(0)));
    this.data = memory.pointer(at('data'));
    this.size = memory.u32(at('data_size'));
    this.startId = memory.u32(at('start_id'));
    this.startName = memory.u32(at('start_str_off'));
  }

  /** Null, with an issue, if it cannot be read. */
  types(): BtfTypes | null {
    if (this.#types === undefined) {
      // None while it is read: reading memory may ask for types.
      this.#types = null;
      this.#types = this.#open();
    }
    return this.#types;
  }

  #open(): BtfTypes | null {
    const memory = this.#memory;
    const at = memory.locate(this.data, HEADER_READ);
    const header = at < 0 ? null : decodeBtfHeader(memory.arena.subarray(at, at + HEADER_READ));
    const fits = header !== null && header.hdrLen + header.strOff + header.strLen <= this.size;
    if (header === null || !fits || btfHeaderFault(header) !== null) {
      const why = at < 0 ? memory.fault.toError().message : 'there is no header of it';
      this.#issues.add('module-btf-unreadable', `BTF of the module ${this.name} cannot be read: ${why}`, this.data);
      return null;
    }
    const name = `BTF of the module ${this.name}`;
    const sections = readBtfSections(header, readerOf(memory, this.data), this.#issues, name);
    const { startId, startName } = this;
    return BtfTypes.openSplit(sections, this.#base, { startId, startName, issues: this.#issues });
  }
}

/** The modules that have BTF, the last loaded first; what was found before damage stays. */
export function modulesWithBtf(
  memory: VirtualMemory,
  symbols: Symbols,
  base: BtfTypes,
  issues: Issues,
): readonly ModuleBtf[] {
  const head = symbols.resolve([LIST]).get(LIST)?.address;
  const link = places(base, 'btf_module');
  const btf = places(base, 'btf');
  if (head === undefined || link === null || btf === null) return [];
  const found: ModuleBtf[] = [];
  const offset = (member: string) => BigInt(link.get(member)?.offset ?? 0);
  let previous = head;
  try {
    let entry = memory.pointer(head);
    while (entry !== head && found.length < MOST_MODULES) {
      // `list` need not be the first member.
      const object = entry - offset('list.next');
      if (memory.pointer(object + offset('list.prev')) !== previous) {
        issues.add('module-btf-list', 'the list of BTF of modules is damaged: an entry does not point back', entry);
        break;
      }
      found.push(new ModuleBtf(memory, base, btf, memory.pointer(object + offset('btf')), issues));
      previous = entry;
      entry = memory.pointer(entry);
    }
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('module-btf-list', `the list of BTF of modules ends early: ${error.message}`, previous);
  }
  return found;
}

/** Null if the kernel has no such struct or not all of its members: one without BTF of modules. */
function places(base: BtfTypes, name: keyof typeof MEMBERS): Places | null {
  const type = base.find('struct', name);
  const found = new Map<string, MemberPlace>();
  for (const member of MEMBERS[name]) {
    const place = type === null ? null : memberPlace(type, member);
    if (place === null) return null;
    found.set(member, place);
  }
  return found;
}
