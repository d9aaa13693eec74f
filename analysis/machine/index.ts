export * from './banner.js';
export * from './clock.js';
export * from './config.js';
export * from './environment.js';
export * from './identity.js';
export * from './panic.js';
export * from './taint.js';
export * from './utsname.js';
