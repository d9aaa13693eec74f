// What was found wrong with a minidump, told with the record and field that is wrong.
import { hex } from '../../fault.js';
import { Issues } from '../../issue.js';

const shown = (value: number | bigint | string): string =>
  typeof value === 'string' ? JSON.stringify(value) : hex(value);

export class Faults {
  readonly issues: Issues;
  /** Something disagreed or was damaged: the answer rests on what the rest says. */
  damaged = false;

  constructor(issues: Issues = new Issues()) {
    this.issues = issues;
  }

  /** An empty list, for something that is read on trial. */
  fresh(): Faults {
    return new Faults();
  }

  /** Takes over what another list has. */
  take(other: Faults): void {
    this.damaged ||= other.damaged;
    this.issues.addAll(other.issues);
  }

  /** Damage. */
  add(code: string, message: string, address: number | bigint | null = null): void {
    this.damaged = true;
    this.issues.add(code, message, address);
  }

  /** Something worth knowing that leaves the answer whole. */
  note(code: string, message: string, address: number | bigint | null = null): void {
    this.issues.add(code, message, address);
  }

  /** A field of the header blob; `at` is its offset in the blob. */
  header(
    field: string,
    at: number | null,
    value: number | bigint | string,
    why: string,
    blob = 'the header blob',
  ): void {
    const place = at === null ? '' : ` at offset ${hex(at)}`;
    this.add('header-field', `${blob}: ${field}${place} is ${shown(value)}: ${why}`, at);
  }

  /** A field of a list: the region table, the section table, dump_info.txt. `at` is its place in the input or in memory. */
  table(list: string, field: string, at: number | null, value: number | bigint | string, why: string): void {
    this.add('table-field', `${list}: ${field} is ${shown(value)}: ${why}`, at);
  }
}
