// The open files of a process, and where it stands in the tree. Source: include/linux/fdtable.h, fs/file.c, fs/proc/fd.c (seq_show, 6.1 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, struct } from '../object/index.js';
import { Paths } from './paths.js';

/** An open file descriptor. What is unknown is null. */
export interface OpenFile {
  readonly fd: number;
  /** The address of its struct file. */
  readonly file: bigint;
  /** As readlink of /proc/PID/fd/N has it. */
  readonly path: string | null;
  /** As /proc/PID/fdinfo/N has them: octal, with O_CLOEXEC. */
  readonly flags: string | null;
  readonly position: number | null;
}

export interface ProcessFiles {
  /** Paths of its root, its working directory and its program; null if it has none, or they cannot be told. */
  readonly root: string | null;
  readonly cwd: string | null;
  readonly exe: string | null;
  readonly files: readonly OpenFile[];
}

const O_CLOEXEC = 0o2000000;
/** More than any process was seen with; the table of a damaged process claims up to 2^32. */
const MOST_FILES = 1 << 22;
/** So many descriptors in a row that lead to no file are no table of descriptors. */
const MOST_LOST = 64;
const BLOCK = 4096;

/**
 * Kernel threads and processes that have exited have no files.
 * @param task address of a task_struct
 * @throws Missing, MemoryFault if the task itself cannot be read
 */
export function processFiles(kernel: Kernel, task: bigint, issues: Issues): ProcessFiles {
  const layout = struct(kernel, 'task_struct');
  const paths = new Paths(kernel, issues);
  const columns = new Columns('task', issues);
  const directory = (name: 'root' | 'pwd') => columns.add(name, () => directoryOf(kernel, paths, name))(task);
  const root = directory('root');
  const cwd = directory('pwd');
  const exe = columns.add('program', () => exeOf(kernel, paths))(task);
  columns.tell(task);
  return { root, cwd, exe, files: [...openFiles(kernel, layout.word('files')(task), paths, issues)] };
}

function directoryOf(kernel: Kernel, paths: Paths, name: 'root' | 'pwd'): Get<string | null> {
  const space = struct(kernel, 'task_struct').word('fs');
  const path = struct(kernel, 'fs_struct').address(name);
  return task => {
    const at = space(task);
    return at === 0n ? null : paths.text(path(at));
  };
}

function exeOf(kernel: Kernel, paths: Paths): Get<string | null> {
  const mm = struct(kernel, 'task_struct').word('mm');
  const exe = struct(kernel, 'mm_struct').word('exe_file');
  const path = struct(kernel, 'file').address('f_path');
  return task => {
    const space = mm(task);
    const file = space === 0n ? 0n : exe(space);
    return file === 0n ? null : paths.text(path(file));
  };
}

function* openFiles(kernel: Kernel, files: bigint, paths: Paths, issues: Issues): Iterable<OpenFile> {
  const table = files === 0n ? null : readTable(kernel, files, issues);
  if (table === null) return;
  const row = rowReader(kernel, paths, issues, table.closeOnExec);
  let lost = 0;
  for (const [fd, file] of pointers(kernel, table, issues)) {
    const found = row(fd, file);
    yield found;
    lost = found.path === null && found.flags === null ? lost + 1 : 0;
    if (lost < MOST_LOST) continue;
    issues.add('damaged-fdtable', `${MOST_LOST} descriptors up to ${fd} lead to no file: the rest is left out`, files);
    return;
  }
}

interface Table {
  /** How many descriptors there is room for. */
  readonly count: number;
  /** The array of pointers, and the bits that say what an exec closes. */
  readonly array: bigint;
  readonly closeOnExec: bigint;
}

function readTable(kernel: Kernel, files: bigint, issues: Issues): Table | null {
  const layout = struct(kernel, 'fdtable');
  const count = layout.number('max_fds');
  const array = layout.word('fd');
  const closeOnExec = layout.word('close_on_exec');
  const fdt = struct(kernel, 'files_struct').word('fdt');
  try {
    const at = fdt(files);
    const table = { count: count(at), array: array(at), closeOnExec: closeOnExec(at) };
    if (table.count <= MOST_FILES) return table;
    issues.add(
      'damaged-fdtable',
      `the table claims ${table.count} descriptors: the first ${MOST_FILES} are looked at`,
      at,
    );
    return { ...table, count: MOST_FILES };
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-memory', `the table of files cannot be read: ${error.message}`, files);
    return null;
  }
}

/** Descriptors that are in use. */
function* pointers(kernel: Kernel, { count, array }: Table, issues: Issues): Iterable<[fd: number, file: bigint]> {
  const { memory } = kernel;
  const size = memory.pointerSize;
  const perBlock = BLOCK / size;
  const block = new Uint8Array(BLOCK);
  const view = new DataView(block.buffer);
  for (let first = 0; first < count; first += perBlock) {
    const length = Math.min(perBlock, count - first);
    try {
      memory.read(array + BigInt(first * size), block.subarray(0, length * size));
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `descriptors from ${first} on cannot be read: ${error.message}`, error.address);
      return;
    }
    for (let i = 0; i < length; i++) {
      const file =
        size === 8 ? view.getBigUint64(i * 8, memory.littleEndian) : BigInt(view.getUint32(i * 4, memory.littleEndian));
      if (file !== 0n) yield [first + i, file];
    }
  }
}

function rowReader(
  kernel: Kernel,
  paths: Paths,
  issues: Issues,
  closeOnExec: bigint,
): (fd: number, file: bigint) => OpenFile {
  const layout = struct(kernel, 'file');
  const columns = new Columns('file', issues);
  const path = columns.add('path', () => {
    const at = layout.address('f_path');
    return file => paths.text(at(file));
  });
  const flags = columns.add('flags', () => layout.number('f_flags'));
  const position = columns.add('position', () => layout.number('f_pos'));
  const closes = columns.add('close-on-exec', () => bitOf(kernel, closeOnExec));
  return (fd, file) => {
    const bits = flags(file);
    const closing = closes(BigInt(fd));
    const row = {
      fd,
      file,
      path: path(file),
      flags: bits === null || closing === null ? null : `0${(closing ? bits | O_CLOEXEC : bits).toString(8)}`,
      position: position(file),
    };
    columns.tell(file);
    return row;
  };
}

/** A bit of a bitmap of unsigned longs. */
function bitOf({ memory }: Kernel, bitmap: bigint): Get<boolean> {
  const bits = BigInt(memory.pointerSize * 8);
  return index => {
    const word = memory.pointer(bitmap + (index / bits) * BigInt(memory.pointerSize));
    return ((word >> (index % bits)) & 1n) === 1n;
  };
}
