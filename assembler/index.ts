export * from './assemble.js';
export * from './convert.js';
export * from './first-difference.js';
