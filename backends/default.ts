// The back-end that a kernel has before a real one comes: it accepts every region and keeps nothing. Source: mm/kmemdump/kmemdump.c (RFC v2, v3).
import type { Backend } from './backend.js';

export const openDefault = (): Backend => ({
  name: 'default',
  register: () => null,
  unregister: () => null,
  dump: () => [],
});
