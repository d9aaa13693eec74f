export * from './allocator.js';
export * from './cache-objects.js';
export * from './model.js';
export * from './object-places.js';
export * from './slab-at.js';
export * from './slab-pages.js';
export * from './slub.js';
export type { SlubCache } from './slub-caches.js';
export * from './slub-check.js';
