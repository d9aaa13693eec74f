export * from './hrtimers.js';
export type { Purpose } from './purpose.js';
export type { Timer } from './timer.js';
export * from './timers.js';
export type { Wheel } from './wheel.js';
