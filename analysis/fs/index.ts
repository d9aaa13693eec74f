export * from './files.js';
export * from './mounts.js';
export * from './paths.js';
