// The kernel log of a dump, of whichever kind the kernel has; VMCOREINFO tells, and is all that is needed.
import type { Issues, VirtualMemory } from 'kdumpling/reader';
import type { LogLayouts } from './layouts.js';
import { hasLegacyLog, readLegacyLog } from './legacy.js';
import type { LogRecord } from './record.js';
import { hasRing, readRing } from './ring.js';
import { hasStructuredLog, readStructuredLog } from './structured.js';

/**
 * Records in order. What cannot be read is left out and told in `issues`.
 * @param symbol the address of a symbol that VMCOREINFO lacks, or null
 */
export function readLog(
  virtual: VirtualMemory,
  vmcoreinfo: LogLayouts,
  symbol: (name: string) => bigint | null,
  issues: Issues,
): Iterable<LogRecord> {
  if (hasRing(vmcoreinfo)) return readRing(virtual, vmcoreinfo, symbol, issues);
  if (hasStructuredLog(vmcoreinfo)) return readStructuredLog(virtual, vmcoreinfo, symbol, issues);
  if (hasLegacyLog(vmcoreinfo)) return readLegacyLog(virtual, vmcoreinfo, symbol, issues);
  issues.add('log-layout', 'the log cannot be found: VMCOREINFO describes none of the three kinds that Linux had');
  return [];
}
