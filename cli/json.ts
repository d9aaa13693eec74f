// JSON as the commands print it: bigint as "0x…", typed arrays never.
import type { Issue } from 'kdumpling/reader';

/** A value as one line of JSON: bigint becomes "0x…" in lower case (negative ones "-0x…"), undefined is refused: what is unknown is null. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) => {
    if (typeof item === 'bigint') return item < 0n ? `-0x${(-item).toString(16)}` : `0x${item.toString(16)}`;
    if (item === undefined && key !== '')
      throw new TypeError(`JSON member ${key} is undefined; unknown values are null`);
    return item;
  });
}

/** A physical address or a file offset as the commands print it: "0x…". */
export function address(value: number | null): string | null {
  return value === null ? null : `0x${value.toString(16)}`;
}

/** Findings as the commands print them: every address "0x…". */
export function jsonIssues(
  issues: Iterable<Issue>,
): { code: string; message: string; address: bigint | string | null }[] {
  return [...issues].map(({ code, message, address: where }) => ({
    code,
    message,
    address: typeof where === 'number' ? address(where) : where,
  }));
}
