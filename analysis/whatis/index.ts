export * from './stacks.js';
export * from './whatis.js';
