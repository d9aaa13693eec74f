export * from './dwarf.js';
export * from './dwarf-types.js';
export * from './open-types.js';
export * from './sections.js';
export { type SourceFrame, SourceFrames } from './source-frames.js';
