// kdumpling regs where a dump's notes tell of no registers. readelf shows the note of this core to be 336 bytes of zeros.
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

interface Answer {
  readonly cpus: readonly { readonly mode: string | null; readonly from: string | null; readonly registers: object }[];
  readonly issues: readonly { readonly code: string }[];
}

coreTest('a note of a CPU that nobody filled in tells of no registers', (t, core) => {
  const { status, stdout } = kdumpling('regs', core, '--json');
  t.is(status, 1);
  const { cpus, issues } = JSON.parse(stdout) as Answer;
  t.deepEqual(
    cpus.map(({ mode, from, registers }) => [mode, from, registers]),
    [[null, null, {}]],
  );
  t.true(issues.some(({ code }) => code === 'no-registers'));
  const { stdout: attributes } = kdumpling('info', core, '--attributes');
  t.notRegex(attributes, /^cpu\.0\.reg\./m);
});
