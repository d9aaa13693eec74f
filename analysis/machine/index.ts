export * from './banner.js';
export * from './identity.js';
export * from './panic.js';
export * from './utsname.js';
