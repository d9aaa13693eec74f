// Standard output, written at once: Node's own stream keeps what a pipe does not take, which for a command that runs in one go would be all it prints.
import { writeSync } from 'node:fs';

const STDOUT = 1;
/** How long a pipe that is full is left alone, in milliseconds. */
const PAUSE = 1;
const clock = new Int32Array(new SharedArrayBuffer(4));

/** Whoever read the output went away (`| head`): no failure, but nothing more is to be done. */
export class ReaderGone extends Error {}

/** @throws ReaderGone */
export function writeStandardOutput(data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') throw new ReaderGone();
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(clock, 0, 0, PAUSE);
    }
  }
}
