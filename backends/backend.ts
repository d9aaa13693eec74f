// What every back-end is: it is told of regions as they come and go, and writes, after the kernel died, what its firmware or tool would.

import type { Refusal, Region, TargetKernel } from 'kdumpling/producer';
import type { FolderSink, Issues } from 'kdumpling/reader';

export interface WrittenFile {
  readonly name: string;
  readonly size: number;
  /** Where an image of memory begins; absent for every other file. */
  readonly paddr?: number;
}

export interface Backend {
  readonly name: string;
  /** True where registered regions change nothing in what it writes: a caller need not register any. */
  readonly ignoresRegions?: true;
  /** True where it stands for no registry's client, so that regions of no series need not pass through one and its limit. */
  readonly takesAll?: true;
  /** null: accepted. */
  register(region: Region): Refusal | null;
  unregister(region: Region): Refusal | null;
  /**
   * Writes everything that is left of the kernel, from `kernel.memory`, into `out` (its files are finished here; the folder is neither finished nor
   * aborted). Bytes that memory lacks are told in `issues` and never made up.
   */
  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[];
}

/** Options that do not fit the back-end or each other: the caller's mistake. `message` is a sentence. */
export class BackendOptionError extends Error {
  override get name(): string {
    return 'BackendOptionError';
  }
}
