// Tests that need real dumps and peers, and what they share.
import test, { type ExecutionContext } from 'ava';
import { dir } from 'tmp-promise';
import { hasPeer, type PeerName } from './peer.js';
import { realTest } from './real.js';

/** A test with real dumps and peers, and a folder of its own. */
export function realPeerTest(
  title: string,
  files: readonly string[],
  peers: readonly PeerName[],
  body: (t: ExecutionContext, folder: string) => void | Promise<void>,
): void {
  const missing = peers.filter(name => !hasPeer(name));
  if (missing.length > 0 && process.env['KDUMPLING_REQUIRE_PEERS'] !== '1') {
    test.skip(`${title} (needs ${missing.join(', ')})`, () => {});
    return;
  }
  realTest(title, files, async t => {
    if (missing.length > 0) {
      t.fail(`missing peers: ${missing.join(', ')}`);
      return;
    }
    const { path, cleanup } = await dir({ unsafeCleanup: true });
    try {
      await body(t, path);
    } finally {
      await cleanup();
    }
  });
}
