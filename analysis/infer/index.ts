export * from './infer.js';
export * from './inference.js';
