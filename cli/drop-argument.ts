// --drop: which pages a converted dump does without, by makedumpfile's classes or by its level.
import { Missing, openKernel } from 'kdumpling/analysis';
import {
  classesOfLevel,
  type DroppedFrames,
  droppedFrames,
  levelOfClasses,
  MOST_LEVEL,
  PAGE_CLASSES,
  type PageClass,
} from 'kdumpling/analysis/pages';
import { type Dump, InputError, type Issues, MemoryFault } from 'kdumpling/reader';
import { FileSource } from 'kdumpling/reader/node';
import { UsageError } from './command.js';
import type { SymbolOptions } from './dump-argument.js';

/** @throws UsageError for a text that is neither classes nor a level */
export function parseDrop(text: string): readonly PageClass[] {
  if (/^\d{1,2}$/.test(text) && Number(text) <= MOST_LEVEL) return classesOfLevel(Number(text));
  return text.split(',').map(name => {
    const known = PAGE_CLASSES.find(one => one === name);
    if (known !== undefined) return known;
    throw new UsageError(`${JSON.stringify(name)} is no class of pages: ${PAGE_CLASSES.join(', ')}, or a level`);
  });
}

/** Frames by reason; zeros are found while the dump is written. */
export interface Drop {
  readonly level: number;
  readonly zeros: boolean;
  readonly dropped: DroppedFrames | null;
}

/**
 * Goes through the memory map of the dump. Where it cannot be found, pages of zeros can be left out all the same.
 * @throws InputError where the memory map is needed and cannot be found: what was to be left out would be in the output
 */
export async function findDropped(
  dump: Dump,
  classes: readonly PageClass[],
  options: SymbolOptions,
  issues: Issues,
): Promise<Drop> {
  const level = levelOfClasses(classes);
  const zeros = classes.includes('zero');
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  try {
    const kernel = await openKernel(dump, {
      ...(vmlinux === null ? {} : { vmlinux }),
      force: options.force === true,
    });
    return { level, zeros, dropped: droppedFrames(kernel, level, dump.physical.extents, issues) };
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    if (level > levelOfClasses(['zero'])) throw refused(dump, error);
    issues.add('no-memory-map', `pages that are offline or broken are not told: ${error.message}`);
    return { level, zeros, dropped: null };
  } finally {
    vmlinux?.close();
  }
}

function refused(dump: Dump, error: Error): InputError {
  return new InputError(
    { source: dump.name, nowhere: 'absent', record: 'memory map' },
    `which pages could be left out is not known: ${error.message}`,
    'leave --drop out to keep all pages',
  );
}
