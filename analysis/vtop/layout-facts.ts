// How a kernel lies in its address space, as attributes: what VMCOREINFO tells, else what follows from the page tables and maps that known content confirmed, each with where it is
// known from.
import type { AttributeValue, Dump } from 'kdumpling/reader';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import type { KernelMap, KernelTranslator } from './kernel-map.js';

export interface LayoutFact {
  readonly key: string;
  readonly value: AttributeValue;
  readonly from: string;
}

/** What of a dump is needed. */
export type LaidOutDump = Pick<Dump, 'arch' | 'virtual' | 'vmcoreinfo'>;

const VMCOREINFO = 'VMCOREINFO';

/**
 * Looks for the page tables.
 * @param shift how far a vmlinux was moved; null where there is none
 */
export function layoutFacts(
  dump: LaidOutDump,
  translator: KernelTranslator,
  symbols: Symbols,
  shift: bigint | null,
): LayoutFact[] {
  const { map } = translator;
  return [
    ...(map === null ? [] : tableFacts(map)),
    ...widthFacts(dump, map),
    ...imageFacts(dump, translator, symbols, shift),
    ...memoryFacts(dump),
  ];
}

const fact = (name: string, value: AttributeValue, from: string): LayoutFact => ({ key: `linux.${name}`, value, from });

function tableFacts({ tables, confirmedBy }: KernelMap): LayoutFact[] {
  const from = `${tables.from}, confirmed by ${confirmedBy}`;
  return [
    fact('page_tables.mode', tables.mode.name, from),
    fact('page_tables.levels', tables.mode.levels.length, from),
    fact('page_tables.root', BigInt(tables.root), from),
  ];
}

/** What is in use; VA_BITS of a kernel that was built for 52 bits may be more. */
function widthFacts({ vmcoreinfo }: LaidOutDump, map: KernelMap | null): LayoutFact[] {
  const t1sz = vmcoreinfo?.number('TCR_EL1_T1SZ');
  if (t1sz !== undefined) return [fact('va_bits', 64 - Number(t1sz), `${VMCOREINFO} (64 - TCR_EL1_T1SZ)`)];
  if (map !== null) return [fact('va_bits', map.tables.mode.width, 'page tables')];
  const built = vmcoreinfo?.number('VA_BITS');
  return built === undefined ? [] : [fact('va_bits', Number(built), VMCOREINFO)];
}

function imageFacts(
  dump: LaidOutDump,
  translator: KernelTranslator,
  symbols: Symbols,
  shift: bigint | null,
): LayoutFact[] {
  const { vmcoreinfo, virtual, arch } = dump;
  const facts: LayoutFact[] = [];
  const offset = vmcoreinfo?.kernelOffset;
  if (offset !== undefined) facts.push(fact('kaslr_offset', offset, `${VMCOREINFO} (KERNELOFFSET)`));
  else if (shift !== null) facts.push(fact('kaslr_offset', shift, 'computed from _stext and the vmlinux'));
  const told = vmcoreinfo?.symbol('_stext');
  const stext = told ?? symbols.resolve(['_stext']).get('_stext')?.address;
  if (stext === undefined) return facts;
  facts.push(fact('stext', stext, told === undefined ? symbols.source : VMCOREINFO));
  const walked = translator.map?.table.walk(stext).physical ?? null;
  const paddr = walked ?? virtual.translate(stext);
  if (paddr < 0) return facts;
  const by = walked === null ? 'the address map' : 'page tables';
  facts.push(fact('stext_paddr', BigInt(paddr), by));
  const distance = arch?.imageDistance;
  if (distance === undefined) return facts;
  const said = vmcoreinfo?.number(distance.name);
  if (said !== undefined) facts.push(fact(distance.name, said, VMCOREINFO));
  else facts.push(fact(distance.name, distance.of(stext, BigInt(paddr)), `computed from _stext by ${by}`));
  return facts;
}

function memoryFacts({ vmcoreinfo, virtual, arch }: LaidOutDump): LayoutFact[] {
  const name = arch?.memoryBase;
  if (name === undefined) return [];
  const said = vmcoreinfo?.number(name);
  if (said !== undefined) return [fact(name.toLowerCase(), said, VMCOREINFO)];
  const linear = virtual.ranges.find(range => range.name === 'linear');
  if (linear === undefined) return [];
  const from = `computed from the linear map, confirmed by ${linear.confirmedBy}`;
  return [fact(name.toLowerCase(), BigInt(linear.target), from)];
}
