export { FACTS, type Fact } from './facts.js';
export * from './found-symbols.js';
export * from './with-found-symbols.js';
