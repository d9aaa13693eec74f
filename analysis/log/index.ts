export * from './kernel-log.js';
export * from './layouts.js';
export * from './printk-safe.js';
export * from './read.js';
export * from './record.js';
