export * from './idle.js';
export * from './pids.js';
export * from './state.js';
export * from './task.js';
export * from './tasks.js';
export * from './threads.js';
