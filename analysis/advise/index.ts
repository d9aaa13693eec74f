export * from './advise.js';
export { OBJECT_TYPES, objectsOfType } from './objects.js';
export * from './ranges.js';
export type { Zone } from './zones.js';
