// What every back-end is: it is told of regions as they come and go, and writes, after the kernel died, what its firmware or tool would.

import type { Refusal, Region, TargetKernel } from 'kdumpling/producer';
import type { FolderSink, Issues } from 'kdumpling/reader';

export interface WrittenFile {
  readonly name: string;
  readonly size: number;
}

export interface Backend {
  readonly name: string;
  /** null: accepted. */
  register(region: Region): Refusal | null;
  unregister(region: Region): Refusal | null;
  /**
   * Writes everything that is left of the kernel, from `kernel.memory`, into `out` (neither finished nor aborted here). Bytes that memory lacks are told
   * in `issues` and never made up.
   */
  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[];
}
