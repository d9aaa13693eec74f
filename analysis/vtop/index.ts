export * from './kernel-map.js';
export * from './mappings.js';
export * from './page-table.js';
