export * from './core-image.js';
export * from './errno.js';
export * from './kernel.js';
export * from './overlay-memory.js';
export * from './region.js';
export * from './registry/index.js';
