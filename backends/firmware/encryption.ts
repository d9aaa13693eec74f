// A stand-in for firmware that encrypts its blobs, as msm-4.19 asks it to: the bytes become noise, and the key files appear beside them. Not AES and no secret: it
// exists so that readers can be tried on blobs whose contents say nothing.
import type { ByteSink } from 'kdumpling/reader';

/** Files that firmware adds to an encrypted dump, with their lengths. */
export const KEY_FILES: readonly { readonly name: string; readonly size: number }[] = [
  { name: 'md_encr_key_aes.BIN', size: 256 },
  { name: 'md_encr_key_iv.BIN', size: 16 },
  { name: 'md_encr_key_mac.BIN', size: 256 },
];

/** A deterministic stream of bytes (mulberry32) that starts from `seed`. */
export class Noise {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) & 0xff;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.next());
  }
}

/** A sink that passes noise-covered bytes on. Zeros are covered too: nothing becomes a hole. */
export class CoveringSink implements ByteSink {
  readonly #inner: ByteSink;
  readonly #noise: Noise;

  constructor(inner: ByteSink, seed: number) {
    this.#inner = inner;
    this.#noise = new Noise(seed);
  }

  get position(): number {
    return this.#inner.position;
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes.map(byte => byte ^ this.#noise.next()));
  }

  hole(length: number): void {
    for (let left = length; left > 0; left -= 4096) this.write(new Uint8Array(Math.min(left, 4096)));
  }

  patch(): void {
    throw new RangeError('covered bytes cannot be patched');
  }

  finish(): void {
    this.#inner.finish();
  }

  abort(): void {
    this.#inner.abort();
  }
}
