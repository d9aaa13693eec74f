export * from './areas.js';
export * from './flags.js';
export * from './present.js';
export * from './rss.js';
export * from './user-memory.js';
