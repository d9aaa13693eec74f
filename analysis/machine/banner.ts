// linux_banner: `Linux version …`. Found by its symbol, or by its content in the running image. Source: init/version.c, init/version-timestamp.c (6.x).
import { fixedText, type PhysicalMemory, type VirtualMemory } from 'kdumpling/reader';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';

const MOST_BANNER = 512;
const START = 'Linux version ';
/** How far an image reaches behind `_stext`: what lies further may be a copy of an image. */
const MOST_IMAGE = 64 << 20;
/** How many texts are looked at that begin like a banner. */
const MOST_PLACES = 4096;

export interface BannerSpace {
  readonly virtual: VirtualMemory;
  readonly physical: PhysicalMemory;
  readonly vmcoreinfo: Vmcoreinfo | null;
}

/**
 * The text without its newline, or null.
 * @param version utsname.version, with which a banner found by content must end: images hold a second, older one from their first link
 */
export function readBanner(space: BannerSpace, symbols: Symbols | null, version: string | null): string | null {
  const address = symbols?.resolve(['linux_banner']).get('linux_banner')?.address;
  const said = address === undefined ? null : bannerAt(space.virtual, address);
  return said ?? bannerInImage(space, version ?? '');
}

function bannerAt(virtual: VirtualMemory, address: bigint): string | null {
  if (virtual.locate(address, 1) < 0) return null;
  const text = virtual.text(address, MOST_BANNER).trimEnd();
  return text.startsWith(START) ? text : null;
}

function banner(bytes: Uint8Array): string | null {
  const text = fixedText(bytes).trimEnd();
  return text.startsWith(START) ? text : null;
}

function bannerInImage({ virtual, physical, vmcoreinfo }: BannerSpace, version: string): string | null {
  const stext = vmcoreinfo?.symbol('_stext');
  const release = vmcoreinfo?.release;
  if (stext === undefined || release === undefined) return null;
  const start = virtual.translate(stext);
  if (start < 0) return null;
  const pattern = new TextEncoder().encode(`${START}${release} (`);
  let places = 0;
  let tail = new Uint8Array(0);
  let end = -1;
  let found: string | null = null;
  const check = (bytes: Uint8Array): boolean => {
    const text = banner(bytes);
    if (text?.endsWith(version)) found = text;
    return found !== null;
  };
  physical.scan(start, start + MOST_IMAGE, (paddr, bytes) => {
    // A text across two blocks is seen whole with the end of the block before.
    const carried = end === paddr ? tail.length : 0;
    const joined = new Uint8Array(carried + bytes.length);
    joined.set(tail.subarray(tail.length - carried));
    joined.set(bytes, carried);
    for (let at = indexOf(joined, pattern, 0); at >= 0; at = indexOf(joined, pattern, at + 1)) {
      if (check(joined.subarray(at, at + MOST_BANNER))) return false;
      places++;
      if (places >= MOST_PLACES) return false;
    }
    tail = joined.slice(Math.max(0, joined.length - MOST_BANNER));
    end = paddr + bytes.length;
    return true;
  });
  return found;
}

function indexOf(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  const last = bytes.length - pattern.length;
  for (let at = bytes.indexOf(pattern[0], from); at >= 0 && at <= last; at = bytes.indexOf(pattern[0], at + 1)) {
    let i = 1;
    while (i < pattern.length && bytes[at + i] === pattern[i]) i++;
    if (i === pattern.length) return at;
  }
  return -1;
}
