// Where a member lies, by a dotted path as C writes it: `mm.pgd`, `node[1]`, through anonymous structs and unions.
import { type CompoundType, type Member, plainType, sizeOfType, type Type } from './types.js';

/** A place in an object: what a path leads to. */
export interface MemberPlace {
  readonly type: Type;
  /** Bytes from the object's start; of a bitfield the byte that its first bit (in memory order) lies in. */
  readonly offset: number;
  /** Of a bitfield: bits from that byte's first bit in memory order, and how many; both 0 for all other members. */
  readonly bitOffset: number;
  readonly bitSize: number;
}

/** A name, or the index of `[…]`. */
export type MemberStep = string | number;

const FIRST = /([A-Za-z_]\w*)|\[(\d{1,9})\]/y;
const NEXT = /\.([A-Za-z_]\w*)|\[(\d{1,9})\]/y;
/** No struct of a kernel has as many anonymous members, at whatever depth. */
const MOST_SEARCHED = 1024;

/** The steps of a path as C writes it: `cgroups.subsys[2]`. Null for a text that is no path; [] for ''. */
export function memberSteps(path: string): MemberStep[] | null {
  const steps: MemberStep[] = [];
  for (let from = 0; from < path.length; ) {
    const step = from === 0 ? FIRST : NEXT;
    step.lastIndex = from;
    const match = step.exec(path);
    if (match === null) return null;
    steps.push(match[1] ?? Number(match[2]));
    from = step.lastIndex;
  }
  return steps;
}

/** The place of `path` in a type; null if a step of it is not there. Pointers are not followed. */
export function memberPlace(type: Type, path: string | readonly MemberStep[]): MemberPlace | null {
  const steps = typeof path === 'string' ? memberSteps(path) : path;
  if (steps === null) return null;
  let bits = 0;
  let bitSize = 0;
  let at = type;
  for (const step of steps) {
    const plain = plainType(at);
    if (bitSize > 0) return null;
    if (typeof step === 'number') {
      if (plain.kind !== 'array') return null;
      bits += step * sizeOfType(plain.element) * 8;
      at = plain.element;
    } else {
      if (plain.kind !== 'struct' && plain.kind !== 'union') return null;
      const found = findMember(plain, step, new Set());
      if (found === null) return null;
      bits += found.bits;
      bitSize = found.bitSize;
      at = found.type;
    }
  }
  // Of a damaged source: only a bitfield begins within a byte, and nothing is as large.
  if (!Number.isSafeInteger(bits) || (bitSize === 0 && bits % 8 !== 0)) return null;
  if (bitSize === 0) return { type: at, offset: bits / 8, bitOffset: 0, bitSize: 0 };
  return { type: at, offset: Math.floor(bits / 8), bitOffset: bits % 8, bitSize };
}

interface Found {
  readonly type: Type;
  readonly bits: number;
  readonly bitSize: number;
}

/** @param searched what was searched without success: a damaged source may nest a type in itself, many times over */
function findMember(compound: CompoundType, name: string, searched: Set<CompoundType>): Found | null {
  for (const member of membersNamed(compound, name)) {
    return { type: member.type, bits: member.bitOffset, bitSize: member.bitSize };
  }
  searched.add(compound);
  if (searched.size >= MOST_SEARCHED) return null;
  for (const member of membersNamed(compound, '')) {
    const inner = plainType(member.type);
    if ((inner.kind !== 'struct' && inner.kind !== 'union') || searched.has(inner)) continue;
    const found = findMember(inner, name, searched);
    if (found !== null) return { ...found, bits: found.bits + member.bitOffset };
  }
  return null;
}

const membersNamed = (compound: CompoundType, name: string): readonly Member[] =>
  compound.membersNamed?.(name) ?? compound.members.filter(member => member.name === name);
