// A folder as a list of sources. Files are opened when they are read, and only so many stay open: a folder may hold more than a process may open.
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type ByteSource, InputError, type SourceFolder } from 'kdumpling/reader';
import { systemError } from './file-source.js';

const MOST_OPEN = 64;

/** The open files of one folder, the least recently used first. */
class OpenFiles {
  readonly #open = new Map<string, number>();

  descriptor(path: string, name: string): number {
    let fd = this.#open.get(path);
    if (fd === undefined) {
      if (this.#open.size >= MOST_OPEN) this.#closeOldest();
      try {
        fd = openSync(path, 'r');
      } catch (error) {
        throw new InputError({ source: name, nowhere: 'system' }, `cannot be opened: ${systemError(error)}`);
      }
    } else {
      this.#open.delete(path);
    }
    this.#open.set(path, fd);
    return fd;
  }

  #closeOldest(): void {
    for (const path of this.#open.keys()) {
      this.close(path);
      return;
    }
  }

  close(path: string): void {
    const fd = this.#open.get(path);
    if (fd !== undefined) closeSync(fd);
    this.#open.delete(path);
  }

  closeAll(): void {
    for (const path of this.#open.keys()) this.close(path);
  }
}

class FolderFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize = 65536;
  readonly #path: string;
  readonly #files: OpenFiles;

  constructor(path: string, size: number, files: OpenFiles) {
    this.name = basename(path);
    this.size = size;
    this.#path = path;
    this.#files = files;
  }

  read(offset: number, into: Uint8Array): number {
    const fd = this.#files.descriptor(this.#path, this.name);
    let done = 0;
    try {
      while (done < into.length) {
        const count = readSync(fd, into, done, into.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw new InputError(
        { source: this.name, nowhere: 'system', offset: offset + done },
        `reading failed: ${systemError(error)}`,
      );
    }
    return done;
  }

  close(): void {
    this.#files.close(this.#path);
  }
}

/** The regular files of a folder (not of folders in it), sorted by name. */
export function openFolder(path: string): SourceFolder {
  const name = basename(resolve(path));
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    throw new InputError({ source: name, nowhere: 'system' }, `cannot be read as a folder: ${systemError(error)}`);
  }
  const open = new OpenFiles();
  const files: ByteSource[] = [];
  for (const entry of names.sort()) {
    const file = join(path, entry);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() === true) files.push(new FolderFile(file, stat.size, open));
  }
  return { name, files, close: () => open.closeAll() };
}
