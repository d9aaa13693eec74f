export * from './files.js';
export * from './kernfs.js';
export * from './mounts.js';
export * from './paths.js';
