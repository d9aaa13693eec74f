// Memory as far as it can be had: stretches of bytes, and stretches that cannot be read with the reason.
import { type AddressMap, type FaultReason, MemoryFault, type PhysicalMemory } from 'kdumpling/reader';

/** `bytes` are borrowed until the next piece is asked for; null where the piece cannot be read. */
export interface MemoryPiece {
  readonly address: bigint;
  readonly length: bigint;
  readonly bytes: Uint8Array | null;
  /** null for bytes that are there. */
  readonly reason: FaultReason | null;
}

const BLOCK = 65536;
/** What a page that turns out to be damaged takes with it, at least. */
const PAGE = 4096;

/** Ascending and without gaps from `from` to `to`. */
export function* physicalPieces(memory: PhysicalMemory, from: number, to: number): Iterable<MemoryPiece> {
  const block = new Uint8Array(BLOCK);
  for (const { start, end, state } of memory.runs(from, to)) {
    if (state === 'data' || state === 'zero') {
      yield* bytesOf(BigInt(start), BigInt(end), block, (address, into) => memory.read(Number(address), into));
    } else yield { address: BigInt(start), length: BigInt(end - start), bytes: null, reason: state };
  }
}

export function* virtualPieces(memory: AddressMap, from: bigint, to: bigint): Iterable<MemoryPiece> {
  const block = new Uint8Array(BLOCK);
  for (const { start, end, state } of memory.runs(from, to)) {
    if (state === 'data' || state === 'zero') {
      yield* bytesOf(start, end, block, (address, into) => memory.read(address, into));
    } else yield { address: start, length: end - start, bytes: null, reason: state };
  }
}

function* bytesOf(
  start: bigint,
  end: bigint,
  block: Uint8Array,
  read: (address: bigint, into: Uint8Array) => void,
): Iterable<MemoryPiece> {
  let at = start;
  while (at < end) {
    const length = end - at < BigInt(BLOCK) ? end - at : BigInt(BLOCK);
    const bytes = block.subarray(0, Number(length));
    if (reasonAgainst(at, bytes, read) === null) yield { address: at, length, bytes, reason: null };
    else yield* pagesOf(at, at + length, block, read);
    at += length;
  }
}

/** Page by page, for a block of which some page is damaged. */
function* pagesOf(
  start: bigint,
  end: bigint,
  block: Uint8Array,
  read: (address: bigint, into: Uint8Array) => void,
): Iterable<MemoryPiece> {
  let at = start;
  while (at < end) {
    const room = BigInt(PAGE) - (at % BigInt(PAGE));
    const length = end - at < room ? end - at : room;
    const bytes = block.subarray(0, Number(length));
    const reason = reasonAgainst(at, bytes, read);
    yield { address: at, length, bytes: reason === null ? bytes : null, reason };
    at += length;
  }
}

function reasonAgainst(
  address: bigint,
  into: Uint8Array,
  read: (address: bigint, into: Uint8Array) => void,
): FaultReason | null {
  try {
    read(address, into);
    return null;
  } catch (error) {
    if (error instanceof MemoryFault) return error.reason;
    throw error;
  }
}
