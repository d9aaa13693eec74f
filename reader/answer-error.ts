// Errors that are answers (this memory is not there, this member is not known): there may be many of them, and a stack trace costs more than the answer.

/** Thrown without a stack trace, unless `traced` asks for one. */
export abstract class AnswerError extends Error {
  /** Whether errors know from where they were thrown: for whoever has to tell people which line of theirs asked. */
  static traced = false;

  constructor(message?: string) {
    const engine = Error as { stackTraceLimit?: number };
    const limit = engine.stackTraceLimit;
    if (!AnswerError.traced) engine.stackTraceLimit = 0;
    super(message);
    if (limit !== undefined) engine.stackTraceLimit = limit;
  }
}
