export { type DumpSpec, parseDumpSpec, parseSize } from './dump-spec.js';
export * from './file-sink.js';
export * from './file-source.js';
export * from './folder.js';
export { ModuleFolder } from './module-folder.js';
export * from './open-file.js';
export * from './zlib.js';
