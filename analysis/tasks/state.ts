// A task's state as /proc/PID/stat tells it. Source: include/linux/sched.h (__task_state_index, task_index_to_char), fs/proc/array.c (6.1 to 7.3); before 4.14 parked and idle
// tasks had no letters of their own.

const TASK_REPORT = 0x7f;
const UNINTERRUPTIBLE = 0x02;
/** TASK_UNINTERRUPTIBLE | TASK_NOLOAD: sleeps without adding to the load. */
const IDLE = 0x402;
/** An RT lock is waited for (5.16, commit 25795ef6299f), or the task is frozen (6.1, commit f5d39b020809): both show as uninterruptible sleep. */
const RTLOCK_WAIT = 0x1000;
const FROZEN = 0x8000;
/** R and one letter for each bit from TASK_INTERRUPTIBLE to TASK_PARKED. */
const LETTERS = 'RSDTtXZP';

/**
 * @param state task_struct.__state (state before 5.14)
 * @param exitState task_struct.exit_state
 */
export function stateLetter(state: number, exitState: number): string {
  if ((state & (RTLOCK_WAIT | FROZEN)) !== 0) return LETTERS[UNINTERRUPTIBLE];
  if ((state & IDLE) === IDLE) return 'I';
  // Up to 4.13 TASK_DEAD was the bit that is TASK_PARKED now; it never stands alone.
  const shown = (exitState === 0 ? state : exitState) & TASK_REPORT;
  return LETTERS[32 - Math.clz32(shown)];
}
