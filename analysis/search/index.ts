export * from './pattern.js';
export * from './pieces.js';
export * from './search.js';
