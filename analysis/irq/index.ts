export * from './arch-counters.js';
export * from './descriptors.js';
export { countedCpus, type Irq, type IrqAction, irqs, isShown } from './irqs.js';
