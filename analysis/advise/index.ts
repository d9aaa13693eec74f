export * from './advise.js';
export { Misses, type Needed, type Needs, neededRegions } from './needed.js';
export { OBJECT_TYPES, objectsOfType } from './objects.js';
export * from './ranges.js';
export type { Zone } from './zones.js';
