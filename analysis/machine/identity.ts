// Which kernel and machine a dump is of, as far as the dump tells without types.
import { type DumpCpu, Issues, MemoryFault, type PhysicalMemory, type VirtualMemory } from 'kdumpling/reader';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { readLog } from '../log/read.js';
import { readBanner } from './banner.js';
import { countCpus } from './cpu-count.js';
import { type Panic, panicOf } from './panic.js';
import { readUtsname } from './utsname.js';

/** What is unknown is null. */
export interface Identity {
  /** `Linux version …` */
  readonly banner: string | null;
  readonly release: string | null;
  /** utsname.version: `#1 SMP …`. */
  readonly version: string | null;
  readonly nodename: string | null;
  /** utsname.machine. */
  readonly machine: string | null;
  readonly buildId: string | null;
  /** How far KASLR moved the kernel. */
  readonly kaslrOffset: bigint | null;
  /** x86_64's phys_base, arm64's PHYS_OFFSET (negative-biased on some kernels), riscv64's phys_ram_base. */
  readonly physBase: bigint | null;
  /** How many CPUs' registers the dump has; where it has none (a region core), how many the kernel knew. */
  readonly cpus: number | null;
  readonly panic: Panic | null;
  /** False where nothing of the log can be read: whether the kernel panicked is then not known. */
  readonly logRead: boolean;
}

export interface IdentitySpace {
  readonly virtual: VirtualMemory;
  readonly physical: PhysicalMemory;
  readonly vmcoreinfo: Vmcoreinfo | null;
  readonly cpus: readonly DumpCpu[];
}

/** @param symbols null to do without: the banner is then looked for in the image */
export function identity(dump: IdentitySpace, symbols: Symbols | null, issues: Issues): Identity {
  const { vmcoreinfo, virtual } = dump;
  const uts = readUtsname(virtual, vmcoreinfo);
  if (uts !== null && vmcoreinfo?.release !== undefined && uts.release !== vmcoreinfo.release) {
    issues.add('release-differs', `init_uts_ns says ${uts.release}, VMCOREINFO ${vmcoreinfo.release}`);
  }
  const number = (name: string) => vmcoreinfo?.number(name);
  const damage = new Issues();
  const records = vmcoreinfo === null ? [] : [...logOf(virtual, vmcoreinfo, symbols, damage)];
  issues.addAll(damage);
  return {
    banner: readBanner(dump, symbols, uts?.version ?? null),
    release: vmcoreinfo?.release ?? uts?.release ?? null,
    version: uts?.version ?? null,
    nodename: uts?.nodename ?? null,
    machine: uts?.machine ?? null,
    buildId: vmcoreinfo?.buildId ?? null,
    kaslrOffset: vmcoreinfo?.kernelOffset ?? null,
    physBase: number('phys_base') ?? number('PHYS_OFFSET') ?? number('phys_ram_base') ?? null,
    cpus: withRegisters(dump.cpus) || presentCpus(virtual, symbols),
    panic: panicOf(records),
    logRead: records.length > 0 || (vmcoreinfo !== null && damage.list().length === 0),
  };
}

/** A single note that tells of no registers is that of a core image prepared beforehand, whatever CPUs there are. */
const withRegisters = (cpus: readonly DumpCpu[]): number =>
  cpus.length === 1 && cpus[0].registers.length === 0 ? 0 : cpus.length;

function presentCpus(memory: VirtualMemory, symbols: Symbols | null): number | null {
  const name = '__cpu_present_mask';
  const mask = symbols?.resolve([name]).get(name);
  if (mask === undefined) return null;
  try {
    return countCpus(memory, mask);
  } catch (error) {
    if (error instanceof MemoryFault) return null;
    throw error;
  }
}

function logOf(virtual: VirtualMemory, vmcoreinfo: Vmcoreinfo, symbols: Symbols | null, issues: Issues) {
  const symbol = (name: string) => symbols?.resolve([name]).get(name)?.address ?? null;
  return readLog(virtual, vmcoreinfo, symbol, issues);
}
