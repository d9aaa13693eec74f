// Several fields say how large a region is: whichever size most of them give holds, and those that say otherwise are named.
import { exactly } from '../../formats/elf.js';
import { alignUp } from '../../u64.js';
import { type Blob, sameSize } from './blob.js';
import type { Faults } from './faults.js';
import type { HeaderSegment } from './header.js';

interface Opinion {
  readonly field: string;
  readonly size: number;
  /** The field as it stands in the header. */
  readonly exact?: number | bigint;
  readonly from: 'header' | 'list' | 'blob';
}

/** Whether two opinions are of one size. Drivers round up to 4 what they put into tables, so a list has no less than the header; within the header nothing is rounded but p_offset. */
function agree(a: Opinion, b: Opinion, inside: boolean): boolean {
  if (a.size === b.size) return true;
  if (a.from === 'list' && b.from === 'header') return a.size === alignUp(b.size, 4);
  if (b.from === 'list' && a.from === 'header') return b.size === alignUp(a.size, 4);
  // What lies in the header itself has no other size than its own.
  if (inside || (isExact(a) && isExact(b))) return false;
  return sameSize(a.size, b.size);
}

const isExact = ({ field, from }: Opinion): boolean => from === 'header' && field !== NEXT_OFFSET;
const NEXT_OFFSET = 'the next p_offset';

/** No region is larger than this: sizes and addresses stay exact numbers. */
export const MOST_REGION = 2 ** 48;

/**
 * The size of a region that the header and perhaps a blob tell of. In a tie the header holds.
 * @param label the region in messages
 */
export function agreedSize(segment: HeaderSegment, blob: Blob | null, label: string, faults: Faults): number {
  const opinions: Opinion[] = [
    { field: 'p_filesz', size: segment.filesz, exact: exactly(segment, 'filesz'), from: 'header' },
    { field: 'p_memsz', size: segment.memsz, exact: exactly(segment, 'memsz'), from: 'header' },
  ];
  if (segment.sectionSize !== null) {
    opinions.push({ field: 'the sh_size', size: segment.sectionSize, from: 'header' });
  }
  if (segment.gap !== null) {
    const exact = segment.nextOffset ?? segment.gap;
    opinions.push({ field: NEXT_OFFSET, size: segment.gap, exact, from: 'header' });
  }
  if (blob !== null && blob.listedSize !== null) opinions.push({ field: 'size', size: blob.listedSize, from: 'list' });
  if (blob?.source != null && blob.sizeIsMeasured) opinions.push({ field: 'size', size: blob.size, from: 'blob' });
  let size = segment.filesz;
  let most = 0;
  for (const opinion of opinions) {
    const count = opinions.filter(other => agree(opinion, other, segment.inside)).length;
    // Of two sizes that only rounding sets apart, the one that more fields have.
    const exact = opinions.filter(other => other.size === opinion.size).length;
    const weight = count * (opinions.length + 1) + exact;
    if (weight > most) {
      most = weight;
      size = opinion.size;
    }
  }
  const agreed: Opinion = { field: '', size, from: 'header' };
  for (const opinion of opinions) {
    const { field, size: said, exact, from } = opinion;
    if (agree(opinion, agreed, segment.inside)) continue;
    if (from === 'header') {
      faults.header(
        `${field} of program header ${segment.index}`,
        null,
        exact ?? said,
        `${label} has ${size} bytes by all else`,
      );
    } else if (from === 'list' && blob !== null && blob.source !== null && sameSize(blob.size, size)) {
      faults.table(
        blob.from === '' ? 'the list' : blob.from,
        `size of ${blob.name}`,
        null,
        said,
        `it has ${size} bytes by all else`,
      );
    }
  }
  return size;
}

/** The size that most fields of the header give, p_filesz in a tie. */
export function headerSize({ filesz, memsz, gap, sectionSize }: HeaderSegment): number {
  const others = [gap, sectionSize].filter(size => size !== null);
  const of = (size: number) => others.filter(other => sameSize(other, size)).length;
  return of(memsz) > of(filesz) ? memsz : filesz;
}

/** The room that the registered layout has for a region: its p_filesz, or what that must have been. */
export function registeredRoom(segment: HeaderSegment, size: number): number {
  if (sameSize(segment.filesz, size)) return segment.filesz;
  return sameSize(segment.memsz, size) ? segment.memsz : alignUp(size, 4);
}
