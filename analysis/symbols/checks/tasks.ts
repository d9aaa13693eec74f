// The first task. Source: init/init_task.c (6.1 to 7.3).
import { struct } from '../../object/index.js';
import type { Check } from './check.js';

/** The idle task of the first CPU is its own parent. */
export const initialTask: Check = (finding, address) => {
  const task = struct(finding.kernel, 'task_struct');
  if (!/^swapper(\/0)?$/.test(task.text('comm')(address))) return 'no';
  return task.word('real_parent')(address) === address && task.number('pid')(address) === 0 ? 'sure' : 'no';
};
