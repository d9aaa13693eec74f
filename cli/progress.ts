// Progress on standard error: a bar over bytes with rate and remaining time, only where a person watches.
import cliProgress from 'cli-progress';
import type { Progress } from './command.js';

const REDRAW_MS = 100;
const MIB = 1 << 20;

export function openProgress(title: string): Progress {
  const bar = new cliProgress.SingleBar({
    format: `${title} {bar} {percentage}% | {value}/{total} MiB | {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  let last = 0;
  return {
    update(done, total) {
      const now = performance.now();
      if (started && now - last < REDRAW_MS) return;
      last = now;
      if (!started) bar.start(Math.ceil(total / MIB), 0);
      started = true;
      bar.update(Math.floor(done / MIB));
    },
    stop() {
      if (started) bar.stop();
    },
  };
}
