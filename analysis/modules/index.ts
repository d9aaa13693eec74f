export * from './layout.js';
export * from './module-symbols.js';
export * from './modules.js';
export * from './symbol-table.js';
