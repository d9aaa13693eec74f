// Which pages of a dump are zeros, for a format whose headers have to tell before any of them is written.
import type { Extents, PhysicalMemory } from 'kdumpling/reader';
import type { Frames } from './cut-frames.js';
import { ZeroTest } from './zero-pages.js';

/** All whole pages of zeros in `extents`; reads every byte of them. Memory that cannot be read has none. */
export function zeroFrames(physical: PhysicalMemory, extents: Extents, pageSize: number): Frames {
  const starts: number[] = [];
  const ends: number[] = [];
  const add = (pfn: number, end: number): void => {
    const last = ends.length - 1;
    if (last >= 0 && ends[last] === pfn) ends[last] = end;
    else if (end > pfn) {
      starts.push(pfn);
      ends.push(end);
    }
  };
  const addRange = (from: number, to: number): void => add(Math.ceil(from / pageSize), Math.floor(to / pageSize));
  const test = new ZeroTest();
  // A page may come in pieces.
  let partPfn = -1;
  let partEnd = 0;
  let partZero = false;
  let at = extents.length === 0 ? 0 : extents.starts[0];
  const passed = (to: number): void => {
    for (const { start, end, state } of physical.runs(at, to)) if (state === 'zero') addRange(start, end);
  };
  physical.scan(at, extents.end, (paddr, bytes) => {
    if (paddr > at) passed(paddr);
    at = paddr + bytes.length;
    for (let i = 0; i < bytes.length; ) {
      const place = paddr + i;
      const inPage = place % pageSize;
      const length = Math.min(pageSize - inPage, bytes.length - i);
      const isZero = test.isZero(bytes, i, length);
      const pfn = (place - inPage) / pageSize;
      i += length;
      if (inPage === 0) {
        partPfn = pfn;
        partZero = isZero;
      } else if (partPfn === pfn && partEnd === inPage) partZero &&= isZero;
      else partZero = false;
      partEnd = inPage + length;
      if (partEnd === pageSize && partPfn === pfn && partZero) add(pfn, pfn + 1);
    }
    return true;
  });
  if (at < extents.end) passed(extents.end);
  return { starts, ends };
}
