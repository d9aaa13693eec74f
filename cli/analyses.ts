// What `advise` can keep the answers of: commands that ask a kernel. A line each.
import type { DefineCommand } from './command.js';

export interface Analysis {
  readonly load: () => Promise<{ readonly command: DefineCommand }>;
  /** Named without arguments: `once`, or once for each `process`, its PID the argument. `arguments`: it needs some. */
  readonly each: 'once' | 'process' | 'arguments';
}

export const ANALYSES: Readonly<Record<string, Analysis>> = {
  config: { load: () => import('./config.js'), each: 'once' },
  doctor: { load: () => import('./doctor.js'), each: 'once' },
  env: { load: () => import('./env.js'), each: 'once' },
  files: { load: () => import('./files.js'), each: 'process' },
  irq: { load: () => import('./irq.js'), each: 'once' },
  list: { load: () => import('./list.js'), each: 'arguments' },
  log: { load: () => import('./log.js'), each: 'once' },
  mod: { load: () => import('./mod.js'), each: 'once' },
  mounts: { load: () => import('./mounts.js'), each: 'once' },
  pages: { load: () => import('./pages.js'), each: 'once' },
  ps: { load: () => import('./ps.js'), each: 'once' },
  regs: { load: () => import('./regs.js'), each: 'once' },
  runq: { load: () => import('./runq.js'), each: 'once' },
  slab: { load: () => import('./slab.js'), each: 'once' },
  struct: { load: () => import('./struct.js'), each: 'arguments' },
  swap: { load: () => import('./swap.js'), each: 'once' },
  sym: { load: () => import('./sym.js'), each: 'arguments' },
  timers: { load: () => import('./timers.js'), each: 'once' },
  tree: { load: () => import('./tree.js'), each: 'arguments' },
  vm: { load: () => import('./vm.js'), each: 'process' },
  vmalloc: { load: () => import('./vmalloc.js'), each: 'once' },
  vtop: { load: () => import('./vtop.js'), each: 'arguments' },
  whatis: { load: () => import('./whatis.js'), each: 'arguments' },
};
