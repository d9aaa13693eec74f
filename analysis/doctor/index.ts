export { CHECKS, type CheckName } from './checks.js';
export * from './doctor.js';
export type { Sure, Sureness } from './sureness.js';
