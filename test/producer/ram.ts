// A small memory for tests: 1 MiB at 0x40000000 whose bytes count up.
import { Extents, type FaultRecord, type MemoryRun, PhysicalMemory } from 'kdumpling/reader';

export class Ram extends PhysicalMemory {
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
  readonly arena = new Uint8Array(1 << 20).map((_, i) => i & 0xff);
  readonly view = new DataView(this.arena.buffer);
  readonly stable = true;
  readonly scratch = 0;
  readonly extents = Extents.from([{ start: 0x40000000, end: 0x40100000, value: 0 }]);

  constructor(littleEndian: boolean, pointerSize: 4 | 8) {
    super();
    this.littleEndian = littleEndian;
    this.pointerSize = pointerSize;
  }

  locate(address: number, length: number): number {
    const at = address - 0x40000000;
    return at >= 0 && at + length <= this.arena.length ? at : this.fault.set('physical', address, length, 'hole');
  }

  read(address: number, into: Uint8Array): void {
    const at = this.locate(address, into.length);
    if (at < 0) throw this.fault.toError();
    into.set(this.arena.subarray(at, at + into.length));
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    yield { start: from, end: to, state: from >= 0x40000000 && to <= 0x40100000 ? 'data' : 'hole' };
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    _onFault?: (fault: FaultRecord) => void,
  ): void {
    const start = Math.max(from, 0x40000000);
    const end = Math.min(to, 0x40100000);
    if (start < end) visit(start, this.arena.subarray(start - 0x40000000, end - 0x40000000));
  }
}
