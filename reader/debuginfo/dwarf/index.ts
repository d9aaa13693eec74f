export type { CallFrame } from './call-frames.js';
export { allDecompressors, type Decompressors } from './compressed.js';
export * from './dwarf.js';
export * from './dwarf-types.js';
export type { CfaRule, FrameRow, RegisterRule } from './frame-rules.js';
export * from './lazy-dwarf.js';
export * from './sections.js';
export { type SourceFrame, SourceFrames } from './source-frames.js';
