// Qualcomm minidumps and what the kmemdump and meminspect series register: a folder of blobs, a rawdump image or memory with the tables -> placed regions.
export type { Span } from './blob.js';
export type { Medium } from './media.js';
export * from './memory.js';
export * from './open.js';
export type { PlacedRegion, PlacedSegment, Placement, RegionStatus } from './place.js';
