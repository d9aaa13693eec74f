// Opens any dump: probes in order; where none takes it, what was seen is told.
import type { CodecEngines } from '../codecs/codec.js';
import { InputError } from '../fault.js';
import { isFlattened } from '../formats/flattened.js';
import { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import { Issues } from '../issue.js';
import type { ReadLog } from '../recording-memory.js';
import type { ByteSource } from '../source.js';
import type { DumpInput } from './container.js';
import { FlattenedSource } from './flattened.js';
import { type OnlyRegion, OpenedDump } from './opened-dump.js';
import { PROBES } from './probes.js';

export interface OpenOptions {
  /** --set: attributes that the user says, by name; they win over what the dump says. */
  readonly set?: ReadonlyMap<string, string>;
  /** VMCOREINFO, as text or parsed, in place of the dump's. */
  readonly vmcoreinfo?: Vmcoreinfo | string;
  /** The sources are raw images: the physical address of each one's first byte. */
  readonly raw?: readonly number[];
  /** The sources are the files of the folder of this name. */
  readonly folder?: string;
  /** How much decoded or read memory is kept (default 16 MiB). */
  readonly cacheBytes?: number;
  /** The host's own codecs. */
  readonly engines?: CodecEngines;
  /** Where findings go (default: a list of the dump's own). */
  readonly issues?: Issues;
  /** The dump is taken for a core of these regions alone, ascending by physical address. */
  readonly only?: readonly OnlyRegion[];
  /** Notes what is read of the dump's memory (searches and what identifies the dump apart). */
  readonly log?: ReadLog;
}

const DEFAULT_CACHE = 1 << 24;
const HEAD = 4096;

/**
 * Opens a dump: one file, all parts of a split set, raw images (`raw`), or the files of a folder (`folder`). The dump closes the sources.
 * @throws InputError with a sentence for what cannot be opened; RangeError for a `set` whose value is none
 */
export async function openDump(sources: readonly ByteSource[], options: OpenOptions = {}): Promise<OpenedDump> {
  const issues = options.issues ?? new Issues();
  const input = prepare(sources, options, issues);
  for (const kind of PROBES) {
    const answer = kind.probe(input);
    if (typeof answer === 'string') continue;
    const opened = await answer();
    const { vmcoreinfo } = options;
    return new OpenedDump({
      name: input.name,
      opened,
      sources,
      set: options.set ?? new Map(),
      vmcoreinfo: typeof vmcoreinfo === 'string' ? new Vmcoreinfo(vmcoreinfo) : (vmcoreinfo ?? null),
      issues,
      only: options.only ?? null,
      log: options.log ?? null,
    });
  }
  throw unknown(input);
}

/** How many of the first bytes are told. */
const TOLD = 16;

/** What was seen where a format would have its mark, and what to try. */
function unknown({ name, isFolder, head }: DumpInput): InputError {
  const place = { source: name, record: 'first bytes', offset: 0, field: 'magic' };
  const what = 'it is no dump that is known here';
  if (isFolder) {
    const why = `${what}: the folder has neither md_*.BIN files nor a dump_info.txt`;
    return new InputError({ source: name, nowhere: 'absent', record: 'folder' }, why);
  }
  if (head.length === 0) return new InputError(place, `${what}: the file is empty`);
  const bytes = head.subarray(0, TOLD);
  const digits = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ');
  const text = Array.from(bytes, byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  return new InputError(
    place,
    `${what}: it begins with ${digits} (${JSON.stringify(text)})`,
    'raw memory is given as FILE@PADDR, the physical address of its first byte',
  );
}

function prepare(sources: readonly ByteSource[], options: OpenOptions, issues: Issues): DumpInput {
  const { raw = null, folder } = options;
  if (raw !== null && raw.length !== sources.length) throw new RangeError('one physical address a raw image');
  if (sources.length === 0 && folder === undefined) throw new RangeError('there is nothing to open');
  const plain = folder === undefined && raw === null;
  const heads = plain ? sources.map(firstBytes) : sources.slice(0, 1).map(firstBytes);
  const unflattened = sources.map((source, i) =>
    plain && isFlattened(heads[i]) ? new FlattenedSource(source, issues) : source,
  );
  const flattened = unflattened.some((source, i) => source !== sources[i]);
  return {
    name: folder ?? sources[0].name,
    sources: unflattened,
    isFolder: folder !== undefined,
    raw,
    head: flattened ? firstBytes(unflattened[0]) : (heads[0] ?? new Uint8Array(0)),
    flattened,
    cacheBytes: options.cacheBytes ?? DEFAULT_CACHE,
    engines: options.engines ?? {},
    issues,
  };
}

function firstBytes(source: ByteSource): Uint8Array {
  const bytes = new Uint8Array(Math.min(HEAD, source.size));
  return bytes.subarray(0, source.read(0, bytes));
}
