// Memory into files: streaming, with runs of zeros left as holes of the file.
import type { ByteSink, MemoryRun, PhysicalMemory } from 'kdumpling/reader';

/** Zeros shorter than this are written as bytes. */
const HOLE_SIZE = 4096;

/** Length of the zeros at `at`, in steps of HOLE_SIZE. */
function zerosAt(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end + HOLE_SIZE <= bytes.length && isZero(bytes, end, end + HOLE_SIZE)) end += HOLE_SIZE;
  return end - at;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  const start = bytes.byteOffset + from;
  if (start % 4 !== 0) {
    for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
    return true;
  }
  const words = new Uint32Array(bytes.buffer, start, (to - from) >>> 2);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/** Appends bytes to a sink; blocks of zeros become holes. */
export function writeSparse(sink: ByteSink, bytes: Uint8Array): void {
  let written = 0;
  let at = 0;
  while (at < bytes.length) {
    const zeros = zerosAt(bytes, at);
    if (zeros === 0) {
      at = Math.min(at + HOLE_SIZE, bytes.length);
      continue;
    }
    if (at > written) sink.write(bytes.subarray(written, at));
    sink.hole(zeros);
    at += zeros;
    written = at;
  }
  if (at > written) sink.write(bytes.subarray(written, at));
}

/** Appends [paddr, paddr + length) up to the first byte that cannot be read; returns how many bytes those are. */
export function copyUntilMissing(memory: PhysicalMemory, paddr: number, length: number, sink: ByteSink): number {
  const end = paddr + length;
  let at = paddr;
  /** A scan passes over pages that are known to be zeros: false where the gap is anything else. */
  const fill = (to: number): boolean => {
    if (to <= at) return true;
    for (const run of memory.runs(at, to)) {
      if (run.state !== 'zero') return false;
      sink.hole(run.end - at);
      at = run.end;
    }
    return at === to;
  };
  memory.scan(paddr, end, (address, bytes) => {
    if (!fill(address)) return false;
    writeSparse(sink, bytes);
    at += bytes.length;
    return true;
  });
  fill(end);
  return at - paddr;
}

/** A stretch that could not be read: what its memory is (`data` where it cannot be decoded), and the format's own reason or ''. */
export type OnMissing = (run: MemoryRun, why: string) => void;

/** Appends [paddr, paddr + length), with holes for what cannot be read; each is told in `onMissing`. */
export function copyWithHoles(
  memory: PhysicalMemory,
  paddr: number,
  length: number,
  sink: ByteSink,
  onMissing: OnMissing,
): void {
  const end = paddr + length;
  let at = paddr;
  let why = '';
  const skip = (to: number) => {
    if (to <= at) return;
    sink.hole(to - at);
    for (const run of memory.runs(at, to)) if (run.state !== 'zero') onMissing(run, why);
    why = '';
    at = to;
  };
  memory.scan(
    paddr,
    end,
    (address, bytes) => {
      skip(address);
      writeSparse(sink, bytes);
      at += bytes.length;
      return true;
    },
    fault => {
      why = fault.detail;
    },
  );
  skip(end);
}
