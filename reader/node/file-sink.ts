// Output to files: beside the target, sparse, renamed at finish. The only place that creates output.
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type ByteSink, type FolderSink, InputError } from 'kdumpling/reader';
import { systemError } from './file-source.js';

/** Temporary outputs of this process; dropped by `abandonOutputs` when it is interrupted. */
const open = new Set<{ abort(): void }>();

/** Aborts every output that is not finished: for signal handlers. */
export function abandonOutputs(): void {
  for (const output of open) output.abort();
}

const BUFFER_SIZE = 1 << 20;
/** Writes of this size and more go straight to the file: a copy would cost more than the call. */
const DIRECT_SIZE = 1 << 16;

export class FileSink implements ByteSink {
  position = 0;
  readonly #target: string;
  readonly #temporary: string;
  readonly #name: string;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #buffered = 0;
  /** File offset of the buffer's first byte. */
  #flushed = 0;
  #fd: number;

  constructor(path: string) {
    this.#target = resolve(path);
    this.#name = basename(path);
    this.#temporary = join(dirname(this.#target), `.${this.#name}.part-${process.pid}`);
    try {
      this.#fd = openSync(this.#temporary, 'wx+', 0o666);
    } catch (error) {
      throw new InputError(
        { source: this.#name, nowhere: 'system' },
        `cannot be written: ${systemError(error)}`,
        'check the output folder',
      );
    }
    open.add(this);
  }

  #store(bytes: Uint8Array, length: number, at: number): void {
    try {
      let done = 0;
      while (done < length) done += writeSync(this.#fd, bytes, done, length - done, at + done);
    } catch (error) {
      throw new InputError(
        { source: this.#name, nowhere: 'system', offset: at },
        `writing failed: ${systemError(error)}`,
        'nothing was left behind',
      );
    }
  }

  #flush(): void {
    if (this.#buffered > 0) this.#store(this.#buffer, this.#buffered, this.#flushed);
    this.#flushed += this.#buffered;
    this.#buffered = 0;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length >= DIRECT_SIZE) {
      this.#flush();
      this.#store(bytes, bytes.length, this.#flushed);
      this.#flushed += bytes.length;
    } else {
      if (this.#buffered + bytes.length > BUFFER_SIZE) this.#flush();
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
    this.position += bytes.length;
  }

  hole(length: number): void {
    if (length < 4096 && this.#buffered + length <= BUFFER_SIZE) {
      this.#buffer.fill(0, this.#buffered, this.#buffered + length);
      this.#buffered += length;
    } else {
      this.#flush();
      this.#flushed += length;
    }
    this.position += length;
  }

  patch(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.position) throw new RangeError('patch lies behind what was written');
    this.#flush();
    this.#store(bytes, bytes.length, offset);
  }

  finish(): void {
    this.#flush();
    try {
      ftruncateSync(this.#fd, this.position);
      closeSync(this.#fd);
      this.#fd = -1;
      renameSync(this.#temporary, this.#target);
    } catch (error) {
      this.abort();
      throw new InputError({ source: this.#name, nowhere: 'system' }, `cannot be finished: ${systemError(error)}`);
    }
    open.delete(this);
  }

  abort(): void {
    if (!open.delete(this)) return;
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    rmSync(this.#temporary, { force: true });
  }
}

/** A new folder; an existing one is taken only if it is empty, so that files of an earlier dump never mix with this one's. */
export class NewFolder implements FolderSink {
  readonly #target: string;
  readonly #temporary: string;
  readonly #files: FileSink[] = [];

  constructor(path: string) {
    this.#target = resolve(path);
    const name = basename(this.#target);
    let content: string[] = [];
    try {
      content = readdirSync(this.#target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new InputError(
          { source: name, nowhere: 'system' },
          `cannot be used as an output folder: ${systemError(error)}`,
        );
      }
    }
    if (content.length > 0) {
      throw new InputError(
        { source: name, nowhere: 'output' },
        'the output folder exists and is not empty',
        'name a new folder',
      );
    }
    try {
      mkdirSync(dirname(this.#target), { recursive: true });
      this.#temporary = mkdtempSync(join(dirname(this.#target), `.${name}.part-`));
      // mkdtemp's folders are their owner's alone; this one becomes the result.
      chmodSync(this.#temporary, 0o777 & ~process.umask());
    } catch (error) {
      throw new InputError({ source: name, nowhere: 'system' }, `cannot be made: ${systemError(error)}`);
    }
    open.add(this);
  }

  file(name: string): ByteSink {
    if (name !== basename(name) || name === '.' || name === '..' || name.includes('\0')) {
      throw new RangeError(`${JSON.stringify(name)} is no file name`);
    }
    const sink = new FileSink(join(this.#temporary, name));
    this.#files.push(sink);
    return sink;
  }

  finish(): void {
    // An existing empty folder is replaced by the rename.
    try {
      renameSync(this.#temporary, this.#target);
    } catch (error) {
      this.abort();
      throw new InputError(
        { source: basename(this.#target), nowhere: 'system' },
        `cannot be finished: ${systemError(error)}`,
      );
    }
    open.delete(this);
  }

  abort(): void {
    if (!open.delete(this)) return;
    for (const file of this.#files) file.abort();
    rmSync(this.#temporary, { recursive: true, force: true });
  }
}
