// What every command that asks a kernel refuses of its options, and how it prints findings of a damaged dump.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

coreTest('a folder of modules that is none: exit status 3 and a sentence, at once', (t, core, folder) => {
  const file = join(folder, 'file');
  writeFileSync(file, 'no folder');
  for (const modules of [join(folder, 'absent'), file]) {
    for (const name of ['ps', 'log', 'mod']) {
      const { status, stderr } = kdumpling(name, core, '--modules', modules);
      t.is(status, 3, `${name} ${stderr}`);
      t.regex(stderr, /cannot be read as a folder of modules: ./);
      t.notRegex(stderr, /\bat .*\.js:/);
    }
  }
});

coreTest('threads that are both of users and of the kernel are asked for in vain', (t, core) => {
  const { status, stdout, stderr } = kdumpling('ps', core, '-u', '-k');
  t.is(status, 2);
  t.is(stdout, '');
  t.regex(stderr, /'-u, --user' cannot be used with option '-k, --kernel'/);
});

coreTest('a VMCOREINFO without any of its lines', (t, core, folder) => {
  const file = join(folder, 'passwd');
  writeFileSync(file, 'root:x:0:0:root:/root:/bin/bash\n');
  const { status, stderr } = kdumpling('log', core, '--vmcoreinfo', file);
  t.is(status, 3);
  t.regex(stderr, /passwd.*none of the lines of VMCOREINFO/);
});

coreTest('--json: findings beside a list have addresses as text', (t, core, folder) => {
  const cut = join(folder, 'cut');
  const whole = readFileSync(core);
  writeFileSync(cut, whole.subarray(0, whole.length - 5000));
  const { issues } = JSON.parse(kdumpling('log', cut, '--json').stderr) as {
    issues: { code: string; address: unknown }[];
  };
  t.true(issues.some(({ code, address }) => code === 'truncated' && address !== null));
  for (const { address } of issues) t.true(address === null || /^"0x[0-9a-f]+"$/.test(JSON.stringify(address)));
});
