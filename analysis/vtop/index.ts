export * from './kernel-map.js';
export * from './layout-facts.js';
export * from './mappings.js';
export * from './page-table.js';
export * from './reverse.js';
export * from './user.js';
export * from './vtop.js';
