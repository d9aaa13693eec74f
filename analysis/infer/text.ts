// Whether bytes are a text as C has it.

/** How long it is without its NUL; -1 where no NUL ends it, or a byte before is none of a text: control characters are, but for white space. */
export function printableLength(view: DataView, at: number, most: number): number {
  for (let i = 0; i < most; i++) {
    const byte = view.getUint8(at + i);
    if (byte === 0) return i;
    if ((byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f) return -1;
  }
  return -1;
}
