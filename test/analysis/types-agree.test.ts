// BTF and the table of facts against the DWARF of the same kernels: every struct that the analyses name, and every global variable that they start from.
import test, { type ExecutionContext } from 'ava';
import {
  GLOBALS,
  type GlobalFact,
  type Kernel,
  Missing,
  openKernel,
  typeFromTable,
  typeOfFact,
} from 'kdumpling/analysis';
import { Issues } from 'kdumpling/reader';
import { ElfSymbols, plainType, sizeOfType, type Type, type Types } from 'kdumpling/reader/debuginfo';
import { LazyDwarf } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realVmlinux } from '../real.js';
import { structShape, typeShape } from './type-shape.js';
import { structsOfAnalyses, wordsOfAnalyses } from './types-used.js';

const KERNELS = [
  { name: 'x86_64-6.1', release: '6.1' },
  { name: 'x86_64-7.3', release: '7.3' },
  { name: 'arm64-6.1', release: '6.1' },
] as const;

interface Opened {
  /** With types from BTF. */
  readonly kernel: Kernel;
  readonly btf: Types;
  readonly dwarf: Types;
  /** Names of the vmlinux's symbol table. */
  readonly has: (name: string) => boolean;
}

const opened = new Map<string, Promise<Opened>>();
const closing: (() => void)[] = [];
test.after.always(() => {
  for (const close of closing) close();
});

/** The same for all tests. */
function open(name: string): Promise<Opened> {
  const known = opened.get(name) ?? openAnew(name);
  opened.set(name, known);
  return known;
}

async function openAnew(name: string): Promise<Opened> {
  const dump = await openFile(realDump(`${name}.elf`));
  closing.push(() => dump.close());
  const vmlinux = new FileSource(realVmlinux(name));
  closing.push(() => vmlinux.close());
  const kernel = await openKernel(dump);
  const btf = kernel.types;
  const dwarf = (await LazyDwarf.of(vmlinux)).types(new Issues());
  if (btf?.source !== 'btf' || dwarf?.source !== 'dwarf') throw new Error(`${name}: not both sources`);
  const symbols = ElfSymbols.open(vmlinux);
  return { kernel, btf, dwarf, has: one => symbols.resolve([one]).has(one) };
}

const newer = (one: string, other: string): boolean => {
  const [a, b] = [one, other].map(text => text.split('.').map(Number));
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
};

for (const { name, release } of KERNELS) {
  const files = [realDump(`${name}.elf`), realVmlinux(name)];

  realTest(`${name}: every struct that the analyses name is in BTF as in DWARF`, files, async t => {
    const { btf, dwarf } = await open(name);
    const asked = structsOfAnalyses();
    let compared = 0;
    for (const word of wordsOfAnalyses()) {
      for (const kind of ['struct', 'union', 'typedef'] as const) {
        const expected = dwarf.all(kind, word).map(structShape);
        const found = btf.all(kind, word).map(structShape);
        // What DWARF of the kernel itself does not have is a module's.
        if (expected.length === 0) continue;
        compared++;
        for (const one of found) {
          if (!expected.includes(one)) t.fail(`${kind} ${word}: BTF ${one}, DWARF ${expected.join(' or ')}`);
        }
        // Where a kernel has several of one name, the one that is taken must be the one that is meant.
        if (asked.has(word)) t.is(new Set(found).size, 1, `${kind} ${word}`);
      }
    }
    t.log(`${compared} structs and unions`);
    t.true(compared > 60 && asked.size > 30);
  });

  realTest(`${name}: every global of the table has the type that DWARF gives it`, files, async t => {
    const one = await open(name);
    const compared = GLOBALS.filter(fact => compareFact(t, one, fact, release));
    t.log(`${compared.length} of ${GLOBALS.length}`);
    t.true(compared.length > 100);
  });
}

/** False where this kernel has no such variable. */
function compareFact(t: ExecutionContext, { kernel, dwarf, has }: Opened, fact: GlobalFact, release: string): boolean {
  const real = dwarf.variable(fact.name);
  if (real === null || !has(fact.name)) return false;
  const { since } = typeOfFact(kernel, fact);
  // What came later has no type here, or none that has a name.
  if (since !== null && newer(since, release)) {
    const error = t.throws(() => typeFromTable(kernel, fact.name));
    t.true(error instanceof Missing, fact.name);
    return false;
  }
  const newest = fact.types.find(one => one.since === null || !newer(one.since, release));
  t.is(since, newest?.since ?? null, `${fact.name}: the newest of its types that ${release} can have`);
  const told = typeFromTable(kernel, fact.name);
  t.is(typeShape(told), typeShape(asOpen(real, told)), fact.name);
  const plain = plainType(told);
  if (plain.kind === 'struct') t.is(sizeOfType(told), sizeOfType(real), fact.name);
  return true;
}

/** Of an array whose length the table leaves open, DWARF's is left open too. */
function asOpen(real: Type, told: Type): Type {
  const [own, other] = [plainType(real), plainType(told)];
  const open = own.kind === 'array' && other.kind === 'array' && other.length === null;
  return open ? { ...own, element: own.element, length: null } : real;
}

realTest(
  'every fact was compared with some kernel, but for those of other configurations',
  KERNELS.flatMap(({ name }) => [realDump(`${name}.elf`), realVmlinux(name)]),
  async t => {
    const left = new Set(GLOBALS.map(fact => fact.name));
    for (const { name, release } of KERNELS) {
      const one = await open(name);
      for (const fact of GLOBALS) if (compareFact(t, one, fact, release)) left.delete(fact.name);
    }
    // Without NUMA and SPARSEMEM, without SPARSE_IRQ, and of 6.13 to 6.16.
    t.deepEqual([...left].sort(), ['contig_page_data', 'irq_desc', 'max_mapnr', 'mem_map', 'tk_core']);
  },
);
