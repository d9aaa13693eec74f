// The kernel's .config where it carries one (CONFIG_IKCONFIG): a gzip member between two marks in the image. Source: kernel/configs.c (5.1 to 7.3).
import { MOST_LOCATED } from 'kdumpling/reader';
import { gunzip } from 'kdumpling/reader/codecs/gzip';
import type { Kernel } from '../kernel.js';

const START = new TextEncoder().encode('IKCFG_ST');
const END = new TextEncoder().encode('IKCFG_ED');
/** The compressed text of a distribution's kernel is some 60 KiB, the text some 300. */
const MOST_COMPRESSED = 1 << 20;
const MOST_TEXT = 8 << 20;
/** How far an image reaches behind `_stext`: what lies further may be a copy of an image. */
const MOST_IMAGE = 64 << 20;
const MOST_MARKS = 1024;

/** Null if the kernel carries none, or its memory is not in the dump. */
export function kernelConfig(kernel: Kernel): string | null {
  kernel.expect(['kernel_config_data', 'kernel_config_data_end', '_stext']);
  const named = kernel.symbol('kernel_config_data');
  if (named !== null) {
    const text = configAt(kernel, kernel.memory.translate(named.address));
    if (text !== null) return text;
  }
  const stext = kernel.symbol('_stext');
  const start = stext === null ? -1 : kernel.memory.translate(stext.address);
  if (start < 0) return null;
  for (const paddr of marksIn(kernel, start)) {
    const text = configAt(kernel, paddr + START.length);
    if (text !== null) return text;
  }
  return null;
}

/**
 * Physical addresses of what may be the first mark in the running image, also where a block that was scanned ends within it; text that mentions it is not followed by
 * gzip's magic.
 */
function marksIn({ physical }: Kernel, start: number): number[] {
  const found: number[] = [];
  physical.scan(start, start + MOST_IMAGE, (paddr, bytes) => {
    for (let at = bytes.indexOf(START[0]); at >= 0 && found.length < MOST_MARKS; at = bytes.indexOf(START[0], at + 1)) {
      if (matches(bytes, at, START.subarray(0, bytes.length - at))) found.push(paddr + at);
    }
    return found.length < MOST_MARKS;
  });
  return found;
}

function configAt({ physical }: Kernel, paddr: number): string | null {
  if (paddr < 0) return null;
  const bytes = new Uint8Array(MOST_COMPRESSED);
  let length = 0;
  for (let step = MOST_LOCATED; step >= 1 && length + step <= bytes.length; ) {
    const at = physical.locate(paddr + length, step);
    if (at < 0) step >>= 1;
    else {
      bytes.set(physical.arena.subarray(at, at + step), length);
      length += step;
      if (ends(bytes.subarray(0, length), step)) break;
    }
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return null;
  const text = gunzip(bytes.subarray(0, length), MOST_TEXT);
  return text === null ? null : new TextDecoder().decode(text);
}

/** Whether the closing mark lies in the last `step` bytes, or across their start. */
function ends(bytes: Uint8Array, step: number): boolean {
  const from = Math.max(0, bytes.length - step - END.length);
  for (let at = bytes.indexOf(END[0], from); at >= 0; at = bytes.indexOf(END[0], at + 1)) {
    if (matches(bytes, at, END)) return true;
  }
  return false;
}

function matches(bytes: Uint8Array, at: number, mark: Uint8Array): boolean {
  let i = 0;
  while (i < mark.length && bytes[at + i] === mark[i]) i++;
  return i === mark.length;
}
