export * from './layout.js';
export * from './memory-map.js';
export * from './nodes.js';
export * from './page-types.js';
export * from './pages.js';
export * from './sections.js';
export * from './slab-owner.js';
