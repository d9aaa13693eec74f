// The back-end that a kernel has before a real one comes: it accepts every region and keeps nothing. Source: mm/kmemdump/kmemdump.c (RFC v2, v3).
import type { WrittenFile } from './backend.js';

export const openDefault = () => ({
  name: 'default',
  takesCoreImage: true,
  register: () => null,
  unregister: () => null,
  dump: (): WrittenFile[] => [],
});
