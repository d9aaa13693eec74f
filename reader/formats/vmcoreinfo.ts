// VMCOREINFO: lines KEY=VALUE that the kernel writes for dump tools. Source: kernel/vmcore_info.c (6.x; kernel/crash_core.c before),
// Documentation/admin-guide/kdump/vmcoreinfo.rst.
import { fixedText } from '../cursor.js';

/** The kernel has one page for it, of 64 KiB at most: what lies behind this many bytes is none of its lines. */
const MOST_BYTES = 1 << 20;

/** A parsed VMCOREINFO text. Absent is not zero: every accessor returns undefined for a line that is not there or cannot be parsed. */
export class Vmcoreinfo {
  /** The text without the padding of NULs. */
  readonly text: string;
  readonly lines: ReadonlyMap<string, string>;

  constructor(text: string) {
    this.text = text;
    const lines = new Map<string, string>();
    for (const line of text.slice(0, MOST_BYTES).split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) lines.set(line.slice(0, equals), line.slice(equals + 1));
    }
    this.lines = lines;
  }

  static decode(descriptor: Uint8Array): Vmcoreinfo {
    return new Vmcoreinfo(fixedText(descriptor.subarray(0, MOST_BYTES)));
  }

  get release(): string | undefined {
    return this.lines.get('OSRELEASE');
  }

  get buildId(): string | undefined {
    return this.lines.get('BUILD-ID');
  }

  get pageSize(): number | undefined {
    return decimal(this.lines.get('PAGESIZE'));
  }

  /** SYMBOL(name): hexadecimal without 0x. Mostly an address; of some names (mem_section) the content. */
  symbol(name: string): bigint | undefined {
    return hexadecimal(this.lines.get(`SYMBOL(${name})`));
  }

  /** NUMBER(name): decimal, maybe negative, or hexadecimal with 0x. */
  number(name: string): bigint | undefined {
    const value = this.lines.get(`NUMBER(${name})`);
    if (value === undefined) return undefined;
    if (/^-?\d+$/.test(value)) return BigInt(value);
    return /^0x[0-9a-f]+$/i.test(value) ? BigInt(value) : undefined;
  }

  size(type: string): number | undefined {
    return decimal(this.lines.get(`SIZE(${type})`));
  }

  /** OFFSET(type.member). */
  offset(type: string, member: string): number | undefined {
    return decimal(this.lines.get(`OFFSET(${type}.${member})`));
  }

  /** LENGTH(name): elements of an array. */
  length(name: string): number | undefined {
    return decimal(this.lines.get(`LENGTH(${name})`));
  }

  /** KERNELOFFSET: how far the kernel was moved by KASLR; hexadecimal without 0x. */
  get kernelOffset(): bigint | undefined {
    return hexadecimal(this.lines.get('KERNELOFFSET'));
  }

  config(name: string): boolean {
    return this.lines.get(`CONFIG_${name}`) === 'y';
  }
}

function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}

function hexadecimal(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^(0x)?[0-9a-f]{1,16}$/i.test(text)) return undefined;
  return BigInt(text.startsWith('0x') ? text : `0x${text}`);
}
