// Bytes written down by hand: hexadecimal words, quoted text and `*N` for N zero bytes.
export function hex(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const [word] of text.matchAll(/"[^"]*"|\*\d+|[0-9a-f]+/g)) {
    if (word.startsWith('"')) bytes.push(...Buffer.from(word.slice(1, -1), 'latin1'));
    else if (word.startsWith('*')) bytes.push(...new Uint8Array(Number(word.slice(1))));
    else bytes.push(...Buffer.from(word, 'hex'));
  }
  return Uint8Array.from(bytes);
}

/** A copy of `into` with `bytes` at `at`. */
export function patched(into: Uint8Array, at: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(into);
  copy.set(bytes, at);
  return copy;
}
