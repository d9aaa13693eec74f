export * from './assemble.js';
export * from './convert.js';
