// Opens dumps by path: a file, the parts of a split set, raw images FILE@PADDR, or a folder.
import { type ByteSource, type OpenedDump, type OpenOptions, openDump } from 'kdumpling/reader';
import { type DumpSpec, isFolder, parseDumpSpec } from './dump-spec.js';
import { FileSource } from './file-source.js';
import { openFolder } from './folder.js';
import { nodeEngines } from './zlib.js';

export type OpenFileOptions = Omit<OpenOptions, 'raw' | 'folder'>;

/**
 * Opens a dump with Node's own codecs. A text is what the command line takes for DUMP (see `parseDumpSpec`); a list is the paths of a split set's parts. The
 * files are closed by `close` of the dump, and where opening fails.
 * @throws InputError; RangeError for a text that names nothing that can be opened, and for a `set` whose value is none
 */
export async function openFile(
  spec: string | readonly string[] | DumpSpec,
  options: OpenFileOptions = {},
): Promise<OpenedDump> {
  const what =
    typeof spec === 'string' ? parseDumpSpec([spec]) : isPaths(spec) ? ({ kind: 'files', paths: spec } as const) : spec;
  if (what.kind === 'folder') return openFolderDump(what.path, options);
  if (what.kind === 'files' && what.paths.length === 1 && isFolder(what.paths[0]))
    return openFolderDump(what.paths[0], options);
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

const isPaths = (spec: readonly string[] | DumpSpec): spec is readonly string[] => Array.isArray(spec);
