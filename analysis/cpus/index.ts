export * from './crash-notes.js';
export * from './crashed.js';
export type { OwnerFrom } from './owners.js';
export * from './registers.js';
export * from './run-queues.js';
export * from './running.js';
