// The log of an opened kernel: layouts from VMCOREINFO, and from the kernel's types where VMCOREINFO is not to be had.
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { hasStruct, struct } from '../object/index.js';
import type { LogLayouts } from './layouts.js';
import { readLog } from './read.js';
import type { LogRecord } from './record.js';

/** Records in order. What cannot be read is left out and told in `issues`. */
export function kernelLog(kernel: Kernel, issues: Issues): Iterable<LogRecord> {
  return readLog(kernel.memory, logLayouts(kernel), name => kernel.symbol(name)?.address ?? null, issues);
}

function logLayouts(kernel: Kernel): LogLayouts {
  const { vmcoreinfo } = kernel;
  if (vmcoreinfo !== null) return vmcoreinfo;
  return {
    symbol: name => kernel.symbol(name)?.address,
    size: type => (hasStruct(kernel, type) ? struct(kernel, type).size : undefined),
    offset: (type, member) => (hasStruct(kernel, type) ? struct(kernel, type).find(member)?.offset : undefined),
  };
}
