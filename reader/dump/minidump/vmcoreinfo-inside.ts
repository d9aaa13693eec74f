// VMCOREINFO that is no region of its own but lies inside one, as downstream kernels have it that register large stretches of memory. Source:
// kernel/vmcore_info.c (6.x; a page of its own), kernel/kexec_core.c (to 4.12; an array in .bss).
import { fixedText } from '../../cursor.js';
import { type Blob, isVmcoreinfo } from './blob.js';
import { MOST_VMCOREINFO, type VmcoreinfoBlob } from './content.js';

/** How much is searched in all. */
const MOST_SEARCHED = 64 << 20;
const MOST_CANDIDATES = 64;
const BLOCK = 1 << 20;
/** "OSRE", little-endian. */
const MARK = 0x4552_534f;

export interface VmcoreinfoInside {
  readonly found: VmcoreinfoBlob;
  /** The region, and where in it the text begins. */
  readonly blob: Blob;
  readonly offset: number;
}

/** The only such text in the blobs, or null. It is looked for at every fourth byte: arrays have no better alignment. */
export function vmcoreinfoInside(blobs: readonly Blob[]): VmcoreinfoInside | null {
  const texts = new Map<string, VmcoreinfoInside>();
  let tried = 0;
  let left = MOST_SEARCHED;
  for (const blob of blobs) {
    if (blob.source === null || blob.size > left) continue;
    left -= blob.size;
    for (const offset of marks(blob)) {
      if (++tried > MOST_CANDIDATES) return only(texts);
      const bytes = bytesFrom(blob, offset);
      if (!isVmcoreinfo(bytes)) continue;
      const text = fixedText(bytes);
      if (!/\nPAGESIZE=\d+\n/.test(text) || texts.has(text)) continue;
      const found: VmcoreinfoBlob = { blob: null, text: bytes.subarray(0, text.length), status: 'ok' };
      texts.set(text, { found, blob, offset });
    }
  }
  return only(texts);
}

function only(texts: ReadonlyMap<string, VmcoreinfoInside>): VmcoreinfoInside | null {
  const [first, second] = texts.values();
  return first === undefined || second !== undefined ? null : first;
}

/** Offsets of the blob at which the text could begin. */
function* marks(blob: Blob): Iterable<number> {
  const { source } = blob;
  if (source === null) return;
  const buffer = new Uint8Array(Math.min(BLOCK, blob.size + 3) & ~3);
  const view = new DataView(buffer.buffer);
  for (const { start, end } of blob.spans(blob.size)) {
    for (let at = (start + 3) & ~3; at + 4 <= end; at += buffer.length) {
      const count = source.read(at, buffer.subarray(0, Math.min(buffer.length, end - at)));
      for (let i = 0; i + 4 <= count; i += 4) if (view.getUint32(i, true) === MARK) yield at + i;
    }
  }
}

function bytesFrom(blob: Blob, offset: number): Uint8Array {
  const { source, size } = blob;
  const span = blob.spans(size).find(({ start, end }) => start <= offset && end > offset);
  const bytes = new Uint8Array(Math.min(MOST_VMCOREINFO, (span?.end ?? offset) - offset));
  return bytes.subarray(0, source?.read(offset, bytes) ?? 0);
}
