export * from './kallsyms/kallsyms.js';
export * from './kallsyms/tables.js';
export * from './symbols.js';
