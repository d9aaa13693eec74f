export { FACTS, type Fact } from './facts.js';
export * from './found-symbols.js';
export * from './symbol-place.js';
export * from './with-all-symbols.js';
