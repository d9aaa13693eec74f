// Files with the debug information of modules in a folder, by the modules' names: as distributions install them (/usr/lib/debug/lib/modules/RELEASE), or as they were built.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type ByteSource, InputError } from 'kdumpling/reader';
import { FileSource, systemError } from './file-source.js';

/** Which file of a module is taken where there are several: that with the debug information. */
const ENDINGS = ['.ko.debug', '.ko'];

export class ModuleFolder {
  readonly #folder: string;
  #paths: Map<string, string> | null = null;
  readonly #opened = new Map<string, FileSource>();

  /** @throws InputError for what is no folder, or cannot be read as one */
  constructor(folder: string) {
    this.#folder = folder;
    // What is in it is looked for when it is asked for: whether it is one is told at once.
    entries(folder, false);
  }

  /**
   * The same one each time; null if the folder has none of that name. Kernels write `_` in names for the files' `-`.
   * @throws InputError for a folder or file that cannot be read
   */
  find(name: string): ByteSource | null {
    this.#paths ??= this.#list();
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const path = ENDINGS.map(ending => this.#paths?.get(name + ending)).find(one => one !== undefined);
    if (path === undefined) return null;
    const source = new FileSource(path);
    this.#opened.set(name, source);
    return source;
  }

  /** Of several files of one name the first by its path. */
  #list(): Map<string, string> {
    const paths = new Map<string, string>();
    for (const path of entries(this.#folder, true).sort()) {
      const ending = ENDINGS.find(one => path.endsWith(one));
      if (ending === undefined) continue;
      const name = basename(path, ending).replaceAll('-', '_') + ending;
      if (!paths.has(name)) paths.set(name, join(this.#folder, path));
    }
    return paths;
  }

  close(): void {
    for (const source of this.#opened.values()) source.close();
    this.#opened.clear();
  }
}

function entries(folder: string, recursive: boolean): string[] {
  try {
    return readdirSync(folder, { recursive, encoding: 'utf8' });
  } catch (error) {
    const place = { source: basename(folder), nowhere: 'system' } as const;
    throw new InputError(place, `cannot be read as a folder of modules: ${systemError(error)}`);
  }
}
