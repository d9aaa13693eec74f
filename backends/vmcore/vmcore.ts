// The kdump back-end: a core of all old memory, as /proc/vmcore of the crash kernel would show it. Registered regions change nothing in it.
import { OverlayMemory, type TargetKernel } from 'kdumpling/producer';
import type { ByteSink, FolderSink, Issues, PhysicalMemory } from 'kdumpling/reader';
import type { Backend, WrittenFile } from '../backend.js';
import { copyWithHoles } from '../copy.js';
import { makeElfcorehdr } from './elfcorehdr.js';
import { planVmcore, type VmcoreChunk } from './proc-vmcore.js';

const NAME = 'vmcore';

class VmcoreBackend implements Backend {
  readonly name = 'vmcore';
  readonly ignoresRegions = true;
  readonly #bits: 32 | 64 | null;

  constructor(bits: 32 | 64 | null) {
    this.#bits = bits;
  }

  register(): null {
    return null;
  }

  unregister(): null {
    return null;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    const memory = new OverlayMemory(kernel.memory, kernel.pageSize);
    const elfcorehdr = makeElfcorehdr(kernel, memory, this.#bits ?? usualBits(kernel), issues);
    const sink = out.file(NAME);
    const size = writeVmcore(memory, elfcorehdr, kernel.pageSize, sink, issues);
    sink.finish();
    return [{ name: NAME, size }];
  }
}

/** As kexec-tools chooses: a 32-bit kernel with memory past 4 GiB gets ELF64. */
function usualBits(kernel: TargetKernel): 32 | 64 {
  return kernel.arch.bits === 32 && kernel.memory.extents.end <= 2 ** 32 ? 32 : 64;
}

/** Writes what /proc/vmcore shows for the elfcorehdr at that physical address; returns its length. */
export function writeVmcore(
  memory: PhysicalMemory,
  elfcorehdr: number,
  pageSize: number,
  sink: ByteSink,
  issues: Issues,
): number {
  const { layout, notes, chunks, size } = planVmcore(memory, elfcorehdr, pageSize, issues);
  sink.write(layout.header);
  sink.hole(layout.notesOffset - sink.position);
  sink.write(notes);
  sink.hole(layout.payloadOffset - sink.position);
  for (const chunk of chunks) writeChunk(memory, chunk, sink, issues);
  return size;
}

function writeChunk(memory: PhysicalMemory, chunk: VmcoreChunk, sink: ByteSink, issues: Issues): void {
  copyWithHoles(memory, chunk.start, chunk.end - chunk.start, sink, ({ start, end }, why) => {
    const from = Math.max(start, chunk.claimedStart);
    const to = Math.min(end, chunk.claimedEnd);
    if (from >= to) return;
    const paddr = chunk.paddr + (from - chunk.start);
    issues.add(
      'missing-memory',
      `${to - from} bytes at physical address 0x${paddr.toString(16)} cannot be read${why === '' ? '' : ` (${why})`}: the core reads as zeros there`,
      paddr,
    );
  });
}

export const openVmcore = (bits: 32 | 64 | null): Backend => new VmcoreBackend(bits);
