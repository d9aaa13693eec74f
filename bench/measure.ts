// CPU time of this process: on a shared machine it says more than a clock does.

/** Microseconds of user and system time that `body` took. */
export function cpuMicroseconds(body: () => void): number {
  const before = process.cpuUsage();
  body();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Rows as text, columns aligned, numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => `${row[column]}`.length)));
  const cell = (value: string | number, column: number): string =>
    typeof value === 'number' ? `${value}`.padStart(widths[column]) : value.padEnd(widths[column]);
  return rows.map(row => row.map(cell).join('  ').trimEnd()).join('\n');
}
