export * from './global-facts.js';
export * from './globals.js';
export * from './kernel.js';
export * from './missing.js';
export * from './open-kernel.js';
export * from './script.js';
