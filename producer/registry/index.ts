export * from './kmemdump.js';
export * from './kmemdump-rfc1.js';
export * from './meminspect.js';
export * from './series.js';
export * from './table.js';
