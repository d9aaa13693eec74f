// Compiles the AssemblyScript beside it into ../wasm.generated.ts. The compiler is fetched for the occasion: it is larger than all else here together.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'assemblyscript@0.28.20';
const here = fileURLToPath(new URL('.', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kdumpling-wasm-'));
try {
  const binary = join(folder, 'codecs.wasm');
  const options = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'bulk-memory', '--initialMemory', '5'];
  const { status } = spawnSync(
    'npx',
    ['--yes', '--package', COMPILER, 'asc', 'index.ts', '--outFile', binary, '--maximumMemory', '5', ...options],
    { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (status !== 0) process.exit(1);
  const lines = readFileSync(binary)
    .toString('base64')
    .match(/.{1,140}/g);
  const text = `// Made from wasm/*.ts by \`npm run wasm\` (${COMPILER}).\nexport const WASM =\n${lines.map(line => `  '${line}'`).join(' +\n')};\n`;
  writeFileSync(join(here, '..', 'wasm.generated.ts'), text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
