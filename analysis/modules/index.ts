export * from './debug-files.js';
export * from './layout.js';
export * from './loaded-sections.js';
export * from './module-symbols.js';
export * from './modules.js';
export * from './symbol-table.js';
