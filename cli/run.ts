// Runs the command line of this process; leaves nothing half-written when it is interrupted.
import { abandonOutputs } from 'kdumpling/reader/node';
import { main } from './main.js';

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    abandonOutputs();
    process.exit(status);
  });
}

// Not awaited, as in bin.ts; what is thrown ends the process all the same.
void run();

async function run(): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } finally {
    abandonOutputs();
  }
}
