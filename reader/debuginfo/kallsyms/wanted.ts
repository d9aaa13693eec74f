// The names that a pass over a symbol table looks for, with quick tests that most other names fail.

export interface WantedNames {
  readonly names: ReadonlyMap<string, Uint8Array>;
  /** 1 for each length, first byte and last byte that a wanted name has. */
  readonly lengths: Uint8Array;
  readonly firsts: Uint8Array;
  readonly lasts: Uint8Array;
}

const encoder = new TextEncoder();

export function wantedNames(names: Iterable<string>): WantedNames {
  const wanted = new Map<string, Uint8Array>();
  const lengths = new Uint8Array(1025);
  const firsts = new Uint8Array(256);
  const lasts = new Uint8Array(256);
  for (const name of names) {
    const bytes = encoder.encode(name);
    if (bytes.length === 0 || bytes.length >= lengths.length) continue;
    wanted.set(name, bytes);
    lengths[bytes.length] = 1;
    firsts[bytes[0]] = 1;
    lasts[bytes[bytes.length - 1]] = 1;
  }
  return { names: wanted, lengths, firsts, lasts };
}
