// swap on real dumps, whose guests had none; and log, whose kernels are newer than the buffers of printk_safe.
import { readFileSync } from 'node:fs';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const dump = realDump(`${name}.elf`);
  const guest = realTruth(`${name}/guest/guest/proc/swaps`);
  realTest(`swap of ${name}: the guest's /proc/swaps`, [dump, guest], t => {
    const { status, stdout, stderr } = kdumpling('swap', dump);
    t.is(status, 0);
    t.is(stderr, '');
    t.is(stdout, readFileSync(guest, 'utf8'));
    const json = kdumpling('swap', dump, '--json');
    t.deepEqual([JSON.parse(json.stdout), JSON.parse(json.stderr)], [[], { issues: [] }]);
  });
}

for (const name of ['arm64-6.1', 'ppc64le-6.1', 's390x-6.1', 'i386-6.1']) {
  const dump = realDump(`${name}.elf`);
  const vmlinux = name.startsWith('arm64') ? [] : [realVmlinux(name)];
  realTest(`swap of ${name}: none, and the kernel's own count says so too`, [dump, ...vmlinux], t => {
    const { stdout, stderr } = kdumpling('swap', dump, '--json', ...vmlinux.flatMap(path => ['--vmlinux', path]));
    t.deepEqual(JSON.parse(stdout), []);
    t.notRegex(stderr, /swap/);
  });
}
