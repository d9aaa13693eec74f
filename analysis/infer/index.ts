export * from './heap.js';
export * from './infer.js';
export * from './inference.js';
