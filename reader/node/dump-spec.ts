// What a text names as a dump, in the one notation of the command line and the library: a file, the parts of a split set, raw images with their addresses, or a
// folder.
import { existsSync, statSync } from 'node:fs';

/** What to open. Paths as given. */
export type DumpSpec =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'images'; readonly images: readonly { readonly path: string; readonly paddr: number }[] }
  | { readonly kind: 'folder'; readonly path: string };

/**
 * Commas separate files, `@` precedes a raw image's physical address (hexadecimal with 0x, or decimal, with K, M or G); a file or folder that exists
 * under the whole text is that file, whatever its name contains. Several texts are taken as if joined by commas.
 * @throws RangeError for mixtures and for addresses that cannot be read
 */
export function parseDumpSpec(texts: readonly string[]): DumpSpec {
  const pieces = texts.flatMap(text => (existsSync(text) ? [text] : text.split(','))).filter(piece => piece !== '');
  if (pieces.length === 0) throw new RangeError('DUMP names no file');
  if (pieces.length === 1 && isFolder(pieces[0])) return { kind: 'folder', path: pieces[0] };
  const images: { path: string; paddr: number }[] = [];
  const paths: string[] = [];
  for (const piece of pieces) {
    if (isFolder(piece)) throw new RangeError(`${piece} is a folder: a folder of blobs is given alone`);
    const image = existsSync(piece) ? null : rawImage(piece);
    if (image === null) paths.push(piece);
    else images.push(image);
  }
  if (images.length === 0) return { kind: 'files', paths };
  if (paths.length > 0) {
    throw new RangeError(`${paths[0]} has no address, but ${images[0].path} has: give each raw image as FILE@PADDR`);
  }
  return { kind: 'images', images };
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function rawImage(text: string): { path: string; paddr: number } | null {
  const at = text.lastIndexOf('@');
  if (at <= 0) return null;
  const paddr = parseSize(text.slice(at + 1));
  if (paddr === null) {
    throw new RangeError(`${text}: what follows @ is no physical address (0x…, or decimal, with K, M or G)`);
  }
  return { path: text.slice(0, at), paddr };
}

/** A size or a physical address: hexadecimal with 0x, or decimal, with K, M or G for powers of 1024; null if it is none below 2^53. */
export function parseSize(text: string): number | null {
  const match = /^(0x[0-9a-f]{1,16}|\d{1,20})([kmg]?)$/i.exec(text);
  if (match === null) return null;
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2].toLowerCase() as '' | 'k' | 'm' | 'g'];
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : null;
}
