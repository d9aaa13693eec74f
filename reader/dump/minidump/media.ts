// What a minidump comes on: a folder of blobs with or without lists of addresses, a rawdump partition image, memory that holds the tables. Each becomes a
// list of blobs. Lists: dump_info.txt and load.cmm of download tools, the section table of a rawdump, the region tables in memory.
import { InputError } from '../../fault.js';
import { type DumpInfoEntry, parseDumpInfo } from '../../formats/dump-info.js';
import { type LoadLine, parseLoadScript } from '../../formats/rawdump.js';
import type { PhysicalMemory } from '../../memory.js';
import type { ByteSource, SourceFolder } from '../../source.js';
import { type Blob, sameSize, wholeSpans } from './blob.js';
import type { Faults } from './faults.js';
import { readTables } from './tables.js';

export interface Medium {
  readonly kind: 'folder' | 'rawdump' | 'memory';
  /** Short name, no directories. */
  readonly name: string;
  /** In the order of the medium's list; what it does not name follows. */
  readonly blobs: readonly Blob[];
  /** Some list tells addresses. */
  readonly hasAddresses: boolean;
  /** Why the blobs must be encrypted, or null. */
  readonly encrypted: string | null;
  /** Memory that holds the tables: regions can be read from it where a table entry is damaged. */
  readonly memory: PhysicalMemory | null;
  /** False for memory without usable tables: then the header alone tells what was registered. */
  readonly tablesFound: boolean;
  /** How many bytes there are in all: no core is larger than a small multiple of this. */
  readonly bytes: number;
  /** How many files make it. */
  readonly files: number;
}

/** Lists are text of some 100 bytes a blob. */
const MOST_LIST = 16 << 20;
/** Firmware dumps a few hundred blobs. */
const MOST_LISTED = 16384;
const LIST = /^(dump_info\.txt|load\.cmm)$/i;
export const isKey = (name: string): boolean => /^md_encr_key_/i.test(name);
const isBlobName = (name: string): boolean => /\.bin$/i.test(name);

/** Text of a list, or null with a fault where it is absurdly long. */
export function listText(source: ByteSource, faults: Faults): string {
  const length = Math.min(source.size, MOST_LIST);
  if (length < source.size) {
    faults.add('list-too-long', `${source.name} has ${source.size} bytes: only the first ${length} are read`);
  }
  const bytes = new Uint8Array(length);
  return new TextDecoder('latin1').decode(bytes.subarray(0, source.read(0, bytes)));
}

/** The last part of a path with either separator. */
export const baseName = (path: string): string =>
  path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);

export function folderMedium(folder: SourceFolder, faults: Faults): Medium {
  const byName = new Map(folder.files.map(file => [file.name.toLowerCase(), file]));
  const info = byName.get('dump_info.txt');
  const script = byName.get('load.cmm');
  const entries = info === undefined ? [] : wholeLines(parseDumpInfo(listText(info, faults), faults.issues), faults);
  if (faults.issues.has('dump-info-line')) faults.damaged = true;
  const lines = script === undefined ? [] : parseLoadScript(listText(script, faults));
  const blobs = listedBlobs(entries, lines, byName, faults);
  const listed = new Set([...entries, ...lines].map(({ file }) => baseName(file).toLowerCase()));
  const hasList = entries.length + lines.length > 0;
  for (const file of folder.files) {
    if (listed.has(file.name.toLowerCase()) || isKey(file.name) || !isBlobName(file.name)) continue;
    blobs.push(fileBlob(file, { loose: hasList }));
  }
  tellUnaddressed(blobs, info === undefined ? 'load.cmm' : 'dump_info.txt', faults);
  const key = folder.files.find(({ name }) => isKey(name));
  if (blobs.length === 0) {
    throw new InputError(
      { source: folder.name, nowhere: 'absent', record: 'folder' },
      'the folder has neither blobs (*.BIN) nor a dump_info.txt that names any',
      'give the folder that the download tool wrote, or a rawdump image',
    );
  }
  return {
    kind: 'folder',
    name: folder.name,
    blobs,
    hasAddresses: hasList,
    encrypted: key === undefined ? null : `${key.name} lies beside the blobs`,
    memory: null,
    tablesFound: true,
    bytes: folder.files.reduce((sum, { size }) => sum + size, 0),
    files: folder.files.length,
  };
}

/** An address in the description: two lines have run together, and what belongs to which cannot be told. */
function wholeLines(entries: readonly DumpInfoEntry[], faults: Faults): DumpInfoEntry[] {
  return entries.filter(({ address, description, file }) => {
    if (!/(^|\s)0x[0-9a-f]{4,16}(\s|$)/i.test(description)) return true;
    faults.add('dump-info-line', `dump_info.txt: the line of ${file} has two addresses: it is not used`, address);
    return false;
  });
}

/** A whole file as a blob. */
export function fileBlob(source: ByteSource, more: Partial<Blob>): Blob {
  return {
    name: source.name,
    source,
    size: source.size,
    listedSize: null,
    sizeIsMeasured: true,
    paddr: null,
    from: '',
    otherPaddr: null,
    valid: true,
    loose: false,
    certain: true,
    spans: wholeSpans(source.size),
    ...more,
  };
}

/** The blobs that dump_info.txt names, then those that only load.cmm does. */
function listedBlobs(
  entries: readonly DumpInfoEntry[],
  lines: readonly LoadLine[],
  byName: ReadonlyMap<string, ByteSource>,
  faults: Faults,
): Blob[] {
  const blobs: Blob[] = [];
  const seen = new Set<string>();
  const scripted = new Map<string, number>();
  for (const { file, address } of lines) scripted.set(baseName(file).toLowerCase(), address);
  const add = (file: string, address: number, listedSize: number | null, from: string) => {
    const name = baseName(file);
    const key = name.toLowerCase();
    if (LIST.test(name) || isKey(name)) return;
    if (seen.has(`${key} ${address}`)) {
      faults.add('listed-twice', `${from} names ${name} at 0x${address.toString(16)} twice`);
      return;
    }
    seen.add(`${key} ${address}`);
    const other = scripted.get(key) ?? null;
    const place = resolveAddress(name, { address, from }, other, faults);
    const source = byName.get(key) ?? null;
    const size = source?.size ?? 0;
    blobs.push({ ...fileBlob(source ?? NOTHING, { ...place, listedSize }), name: source?.name ?? name, source, size });
  };
  for (const { file, address, size } of entries.slice(0, MOST_LISTED)) add(file, address, size, 'dump_info.txt');
  if (entries.length + lines.length > MOST_LISTED) {
    faults.add('list-too-long', `the lists name more than ${MOST_LISTED} blobs: what follows is passed over`);
  }
  const named = new Set(entries.map(({ file }) => baseName(file).toLowerCase()));
  for (const { file, address } of lines.slice(0, MOST_LISTED))
    if (!named.has(baseName(file).toLowerCase())) add(file, address, null, 'load.cmm');
  return withOneLineEach(blobs);
}

/** A file is one region: of several lines with one file only that is believed for which load.cmm or the file's size speaks, and if there is no such line none. */
function withOneLineEach(blobs: readonly Blob[]): Blob[] {
  const byName = new Map<string, { first: Blob; lines: number; best: number; withBest: number }>();
  for (const blob of blobs) {
    if (blob.source === null) continue;
    const value = evidence(blob);
    const file = byName.get(blob.name);
    if (file === undefined) byName.set(blob.name, { first: blob, lines: 1, best: value, withBest: 1 });
    else {
      file.lines++;
      if (value === file.best) file.withBest++;
      else if (value > file.best) Object.assign(file, { best: value, withBest: 1 });
    }
  }
  return blobs.map(blob => {
    const file = byName.get(blob.name);
    if (file === undefined || file.lines < 2) return blob;
    if (file.withBest === 1 && evidence(blob) === file.best) return blob;
    return { ...blob, doubt: `${file.lines} lines of the ${blob.from} name ${blob.name}, but a file is one region` };
  });
}

/** How much speaks for a line. */
const evidence = ({ from, paddr, otherPaddr, listedSize, size }: Blob): number =>
  (from !== 'load.cmm' && paddr !== null && otherPaddr === null ? 2 : 0) +
  (listedSize !== null && sameSize(listedSize, size) ? 1 : 0);

const NOTHING: ByteSource = { name: '', size: 0, blockSize: 65536, read: () => 0, close() {} };

/** The list's own address, else load.cmm's; where the two differ both are kept, and one that is not 0 goes first: tools write 0 for what they do not know. */
export function resolveAddress(
  name: string,
  first: { readonly address: number | null; readonly from: string },
  script: number | null,
  faults: Faults,
): Pick<Blob, 'paddr' | 'from' | 'otherPaddr'> {
  const { address, from } = first;
  if (address === null) return { paddr: script, from: script === null ? '' : 'load.cmm', otherPaddr: null };
  if (script === null || script === address) return { paddr: address, from, otherPaddr: null };
  faults.add(
    'addresses-differ',
    `${name} lies at 0x${address.toString(16)} by the ${from} and at 0x${script.toString(16)} by load.cmm`,
    address,
  );
  return address === 0
    ? { paddr: script, from: 'load.cmm', otherPaddr: address }
    : { paddr: address, from, otherPaddr: script };
}

/** Tells of blobs without an address in a list that has one for others. */
export function tellUnaddressed(blobs: readonly Blob[], list: string, faults: Faults): void {
  if (!blobs.some(({ paddr }) => paddr !== null)) return;
  for (const { name, paddr, loose } of blobs) {
    if (paddr === null && !loose) faults.add('no-address', `${name} has no address in the ${list}`);
  }
}

/** @param smem physical address of SMEM that the user gave, or null to search for it */
export function memoryMedium(memory: PhysicalMemory, name: string, smem: number | null, faults: Faults): Medium {
  const { blobs, encryption, found } = readTables(memory, smem, faults);
  if (blobs.length === 0) {
    throw new InputError(
      { source: name, nowhere: 'absent', record: 'memory' },
      'there is no SMEM with a minidump table (item 602) in this memory, and no header of a region dump',
      smem === null ? 'give the address of SMEM with --smem, if it is known' : 'check the address given with --smem',
    );
  }
  return {
    kind: 'memory',
    name,
    blobs,
    hasAddresses: true,
    encrypted: encryption,
    memory,
    tablesFound: found,
    bytes: memory.bounds.end - memory.bounds.start,
    files: 1,
  };
}
