export * from './errno.js';
export * from './kernel.js';
export * from './region.js';
