export * from './backend.js';
export { MEDIA, type Media } from './firmware/media.js';
export { type FirmwareRegion, type SmemPlace, walkTables } from './firmware/walk.js';
export * from './open.js';
export { MSM_NAME_LENGTH, MsmDriver } from './qcom-msm.js';
export type { RawMap, RawMapRegion } from './raw.js';
export { writeVmcore } from './vmcore/vmcore.js';
