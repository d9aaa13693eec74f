// What an answer needs and neither the dump nor the user's files have: it ends that answer and no other.
import { AnswerError } from 'kdumpling/reader';

export type MissingKind = 'symbol' | 'type' | 'member';

/** Thrown without a stack trace, since it is an answer: which symbol, type or member is not known, and what would tell. */
export class Missing extends AnswerError {
  readonly kind: MissingKind;
  /** For instance `init_task`, `struct task_struct`, `task_struct.pid`. */
  readonly what: string;

  /** @param advice what would have helped, or '' */
  constructor(kind: MissingKind, what: string, advice = '') {
    super(`the ${kind} ${what} is not known${advice === '' ? '' : `; ${advice}`}`);
    this.kind = kind;
    this.what = what;
  }

  override get name(): string {
    return 'Missing';
  }
}
