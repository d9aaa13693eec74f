// NT_PRSTATUS descriptors (struct elf_prstatus of include/linux/elfcore.h) by the facts of an architecture: pid and general registers.
import type { PrstatusLayout } from '../arch/arch.js';
import { InputError } from '../fault.js';

export interface Prstatus {
  readonly pid: number;
  /** The signal that stopped it (pr_cursig); 0 in per-CPU notes of a kernel. */
  readonly signal: number;
  /** In the order of the architecture's `registers`. */
  readonly registers: readonly bigint[];
}

/** Offset of pr_cursig: behind the three ints of pr_info, on every architecture. */
const CURSIG_AT = 12;

/** Throws InputError where the descriptor is too short for pid and registers. */
export function decodePrstatus(
  descriptor: Uint8Array,
  layout: PrstatusLayout,
  littleEndian: boolean,
  source = 'NT_PRSTATUS',
): Prstatus {
  const need = Math.max(layout.pid + 4, layout.registersAt + layout.registersSize);
  if (descriptor.length < need) {
    throw new InputError(
      {
        source,
        record: 'NT_PRSTATUS',
        offset: descriptor.length,
        field: descriptor.length < layout.pid + 4 ? 'pr_pid' : 'pr_reg',
      },
      `the descriptor has ${descriptor.length} bytes, but pid and registers need ${need}`,
    );
  }
  const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  const registers = layout.registers.map(({ offset, size }) =>
    size === 8 ? view.getBigUint64(offset, littleEndian) : BigInt(view.getUint32(offset, littleEndian)),
  );
  return {
    pid: view.getInt32(layout.pid, littleEndian),
    signal: view.getInt16(CURSIG_AT, littleEndian),
    registers,
  };
}

/** A descriptor of the architecture's size; what `status` does not have is zero. */
export function encodePrstatus(
  status: Prstatus,
  layout: PrstatusLayout,
  littleEndian: boolean,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  view.setInt16(CURSIG_AT, status.signal, littleEndian);
  view.setInt32(layout.pid, status.pid, littleEndian);
  const count = Math.min(status.registers.length, layout.registers.length);
  for (let i = 0; i < count; i++) {
    const { offset, size } = layout.registers[i];
    if (size === 8) view.setBigUint64(offset, BigInt.asUintN(64, status.registers[i]), littleEndian);
    else view.setUint32(offset, Number(BigInt.asUintN(32, status.registers[i])), littleEndian);
  }
  return bytes;
}
