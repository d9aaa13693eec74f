export * from './swap-areas.js';
