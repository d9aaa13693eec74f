// The length of values whose form gives none. Source: DWARF 5, sections 7.5.5 and 7.6.
import { SIZE_BLOCK, SIZE_BLOCK1, SIZE_BLOCK2, SIZE_LEB, SIZE_STRING } from '../../formats/dwarf.js';

/** Behind a value of a size that stands in front of it or ends it; -1 where it passes `limit`. */
export function skipValue(
  bytes: Uint8Array,
  start: number,
  limit: number,
  size: number,
  littleEndian: boolean,
): number {
  let at = start;
  if (size === SIZE_LEB) {
    while (at < limit) if (bytes[at++] < 0x80) return at;
    return -1;
  }
  if (size === SIZE_STRING) {
    while (at < limit) if (bytes[at++] === 0) return at;
    return -1;
  }
  let length = 0;
  if (size === SIZE_BLOCK) {
    for (let scale = 1; ; scale *= 128) {
      if (at >= limit || scale > 2 ** 35) return -1;
      const byte = bytes[at++];
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) return at + length;
    }
  }
  const width = size === SIZE_BLOCK1 ? 1 : size === SIZE_BLOCK2 ? 2 : 4;
  if (at + width > limit) return -1;
  for (let i = 0; i < width; i++) length += bytes[at + i] * 256 ** (littleEndian ? i : width - 1 - i);
  return at + width + length;
}
