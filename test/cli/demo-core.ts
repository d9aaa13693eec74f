// The small real region core that comes with the package, for tests of commands: x86_64-6.1 carved to 47 regions. What crash and readelf say of the whole dump
// is the truth here.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { dir } from 'tmp-promise';

const packed = join(dirname(fileURLToPath(import.meta.url)), '../../../cli/demo/region-core.elf.gz');

/** linux_banner: its address, and where the region of 204 bytes begins in memory. */
export const BANNER = 0xffffffffbc31ffe0n;
export const BANNER_PADDR = 0x9f1ffe0;
export const BANNER_SIZE = 204;

/** A test with a folder of its own and the core in it. */
export function coreTest(
  title: string,
  body: (t: ExecutionContext, core: string, folder: string) => void | Promise<void>,
): void {
  test(title, async t => {
    const { path, cleanup } = await dir({ unsafeCleanup: true });
    try {
      const core = join(path, 'core');
      writeFileSync(core, gunzipSync(readFileSync(packed)));
      await body(t, core, path);
    } finally {
      await cleanup();
    }
  });
}
