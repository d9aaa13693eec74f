export { CHECKS, type CheckName } from './checks.js';
export * from './doctor.js';
