// The regions as one ELF core, any number of them: a PT_LOAD for each at its own addresses, the CPUs' notes and VMCOREINFO. What every tool opens, where no firmware stands between.
import type { Refusal, Region, TargetKernel } from 'kdumpling/producer';
import type { FolderSink, Issues } from 'kdumpling/reader';
import { layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes, type Note } from 'kdumpling/reader/formats/notes';
import type { Backend, WrittenFile } from './backend.js';
import { copyWithHoles } from './copy.js';

const NAME = 'core';
const READ_WRITE = 6;

/** A stretch of a region that memory has. */
interface Piece {
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly length: number;
}

class RawCoreBackend implements Backend {
  readonly name = 'raw';
  readonly takesAll = true;
  readonly #regions: Region[] = [];

  register(region: Region): Refusal | null {
    if (region.size <= 0) return { errno: 'EINVAL', message: `region ${region.name} has no size` };
    this.#regions.push(region);
    return null;
  }

  unregister(region: Region): Refusal | null {
    const at = this.#regions.indexOf(region);
    if (at < 0) return { errno: 'ENOENT', message: `region ${region.name} (ID ${region.id}) is not registered` };
    this.#regions.splice(at, 1);
    return null;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    const pieces = this.#regions.flatMap(region => piecesOf(region, kernel, issues));
    const notes = encodeNotes(notesOf(kernel), kernel.littleEndian);
    const { arch, littleEndian } = kernel;
    const layout = layoutCore({
      bits: arch.bits,
      littleEndian,
      machine: arch.elfMachine,
      notesSize: notes.length,
      segments: pieces.map(({ vaddr, paddr, length }) => {
        return { vaddr, paddr, filesz: length, memsz: length, flags: READ_WRITE, align: 0 };
      }),
    });
    const sink = out.file(NAME);
    sink.write(layout.header);
    sink.hole(layout.notesOffset - sink.position);
    sink.write(notes);
    sink.hole(layout.payloadOffset - sink.position);
    for (const { paddr, length } of pieces) {
      copyWithHoles(kernel.memory, paddr, length, sink, ({ start, end }, why) => {
        const reason = why === '' ? '' : ` (${why})`;
        const message = `${end - start} bytes at physical address 0x${start.toString(16)} cannot be read${reason}: the core reads as zeros there`;
        issues.add('missing-memory', message, start);
      });
    }
    sink.finish();
    return [{ name: NAME, size: layout.size }];
  }
}

function piecesOf({ id, name, vaddr, paddr, size }: Region, kernel: TargetKernel, issues: Issues): Piece[] {
  const pieces: Piece[] = [];
  let next = -1;
  for (const { start, end, state } of kernel.memory.runs(paddr, paddr + size)) {
    if (state !== 'data' && state !== 'zero') {
      const message = `region ${name} (ID ${id}): ${end - start} bytes at physical address 0x${start.toString(16)} are not in memory`;
      issues.add('missing-memory', message, start);
      continue;
    }
    const last = pieces.length - 1;
    if (start === next) pieces[last] = { ...pieces[last], length: end - pieces[last].paddr };
    else pieces.push({ vaddr: vaddr + BigInt(start - paddr), paddr: start, length: end - start });
    next = end;
  }
  return pieces;
}

function notesOf({ cpuNotes, vmcoreinfo }: TargetKernel): Note[] {
  if (vmcoreinfo === null) return [...cpuNotes];
  const descriptor = new TextEncoder().encode(vmcoreinfo.atCrash ?? vmcoreinfo.text);
  return [...cpuNotes, { name: 'VMCOREINFO', type: 0, descriptor }];
}

export const openRawCore = (): Backend => new RawCoreBackend();
