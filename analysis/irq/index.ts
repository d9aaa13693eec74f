export * from './arch-counters.js';
export * from './descriptors.js';
export { type Irq, type IrqAction, irqs, isShown } from './irqs.js';
