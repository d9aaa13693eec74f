// The contract of all commands: one answer, as text for people or as one JSON value for programs; notes and progress on standard error; exit
// status 0 answered, 1 answered in part, 2 wrong usage, 3 the input cannot be read as what it was said to be.
import type { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import type { Issue } from 'kdumpling/reader';

export const EXIT = { answered: 0, partial: 1, usage: 2, unreadable: 3 } as const;

/** Where a command's output goes; tests give their own. */
export interface Terminal {
  out(text: string | Uint8Array): void;
  err(text: string): void;
  /** Standard error is a terminal: progress may be drawn. */
  readonly interactive: boolean;
}

export interface Answer {
  /** The documented JSON value; bigint is printed as "0x…". Absent for commands whose answer is raw bytes. */
  readonly json: unknown;
  /** Lines for people, without the trailing newline; may be long, so it is made on demand. */
  text(): Iterable<string>;
  /** Findings; printed to standard error behind the text, whose making may add some. With --json they are part of `json`, unless that is a list. */
  readonly issues: readonly Issue[];
  /** True where something asked for could not be answered; looked at when all is printed. */
  readonly partial: boolean;
}

/** A wrong call: exit status 2. */
export class UsageError extends Error {}

/** What went wrong in something that a command ran; it says the exit status. */
export class CommandFailure extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** What each command's file exports as `command`: a commander command whose action calls `answer`. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** The command's name. */
  readonly command?: string;
  /** Prints an answer and sets the exit status. */
  answer(answer: Answer, options: { readonly json?: boolean }): void;
  /** A kernel that is open already: commands that ask a kernel ask this one, whatever DUMP they are given. */
  readonly kernel?: Kernel;
  /** A progress bar over bytes, drawn only on a terminal. */
  progress(title: string): Promise<Progress>;
}

export interface Progress {
  /** Both in bytes; cheap enough to be called per page. */
  update(done: number, total: number): void;
  stop(): void;
}

export type DefineCommand = (context: CommandContext) => Command;
