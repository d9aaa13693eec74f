export * from './columns.js';
export * from './layout.js';
export * from './member-path.js';
export * from './object.js';
export * from './scalar.js';
export * from './struct.js';
export * from './type-name.js';
export * from './value.js';
