export * from './file-sink.js';
export * from './file-source.js';
export * from './zlib.js';
