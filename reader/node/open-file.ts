// Opens dumps by path: a file, the parts of a split set, raw images FILE@PADDR, or a folder.
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { type ByteSource, InputError, type OpenedDump, type OpenOptions, openDump } from 'kdumpling/reader';
import { FileSource } from './file-source.js';
import { openFolder } from './folder.js';
import { nodeEngines } from './zlib.js';

/** What to open. */
export type FileSpec =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'images'; readonly images: readonly { readonly path: string; readonly paddr: number }[] };

export type OpenFileOptions = Omit<OpenOptions, 'raw' | 'folder'>;

/**
 * Opens a dump with Node's own codecs. A text is one path, `FILE@PADDR[,FILE@PADDR…]` (0x… or decimal) where no file of the whole name exists; a list of texts are
 * the parts of a split set. The files are closed by `close` of the dump, and where opening fails.
 * @throws InputError; RangeError for a `set` whose value is none
 */
export async function openFile(
  spec: string | readonly string[] | FileSpec,
  options: OpenFileOptions = {},
): Promise<OpenedDump> {
  const what =
    typeof spec === 'string' || Array.isArray(spec) ? parse(spec as string | readonly string[]) : (spec as FileSpec);
  if (what.kind === 'files' && what.paths.length === 1 && isFolder(what.paths[0])) {
    return openFolderDump(what.paths[0], options);
  }
  const paths = what.kind === 'files' ? what.paths : what.images.map(({ path }) => path);
  const sources: ByteSource[] = [];
  try {
    for (const path of paths) sources.push(new FileSource(path));
    const raw = what.kind === 'images' ? { raw: what.images.map(({ paddr }) => paddr) } : {};
    return await openDump(sources, { engines: nodeEngines, ...options, ...raw });
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
}

async function openFolderDump(path: string, options: OpenFileOptions): Promise<OpenedDump> {
  const folder = openFolder(path);
  try {
    return await openDump(folder.files, { engines: nodeEngines, ...options, folder: folder.name });
  } catch (error) {
    folder.close();
    throw error;
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function parse(spec: string | readonly string[]): FileSpec {
  if (typeof spec !== 'string') return { kind: 'files', paths: spec };
  if (exists(spec)) return { kind: 'files', paths: [spec] };
  const images = spec.split(',').map(piece => /^(.+)@(0x[0-9a-f]{1,16}|\d{1,16})$/i.exec(piece));
  if (images.some(image => image === null)) return { kind: 'files', paths: [spec] };
  return {
    kind: 'images',
    images: images.map(image => {
      const [, path, address] = image as RegExpExecArray;
      const paddr = Number(address);
      if (!Number.isSafeInteger(paddr)) {
        throw new InputError({ source: basename(resolve(path)) }, `${address} is no physical address`);
      }
      return { path, paddr };
    }),
  };
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
