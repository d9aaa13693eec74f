// dump_info.txt, which download tools write beside the blobs: one line a file, `1 0x<address>\t<size>\t<description>\t<file>`. Readers take the second word
// (hexadecimal), the third (decimal) and the last; the description between may hold blanks.
import type { Issues } from '../issue.js';

export interface DumpInfoEntry {
  /** Sahara's save preference; 1 in every line seen. */
  readonly preference: string;
  readonly address: number;
  readonly size: number;
  readonly description: string;
  readonly file: string;
}

/** The most lines that are read: a folder never holds as many blobs. */
export const MOST_DUMP_INFO_LINES = 65536;

/** Lines that are not of the form are told in `issues` and passed over; empty ones silently. */
export function parseDumpInfo(text: string, issues: Issues): DumpInfoEntry[] {
  const entries: DumpInfoEntry[] = [];
  let number = 0;
  for (const line of text.split('\n', MOST_DUMP_INFO_LINES)) {
    number++;
    const words = line.trim().split(/\s+/);
    if (words[0] === '') continue;
    const address = words.length >= 4 && /^(0x)?[0-9a-f]{1,16}$/i.test(words[1]) ? Number.parseInt(words[1], 16) : -1;
    const size = words.length >= 4 && /^\d{1,19}$/.test(words[2]) ? Number(words[2]) : -1;
    if (address < 0 || size < 0 || !Number.isSafeInteger(address) || !Number.isSafeInteger(size)) {
      issues.add(
        'dump-info-line',
        `line ${number} of dump_info.txt is not "1 0xADDRESS SIZE DESCRIPTION FILE": ${JSON.stringify(line.slice(0, 100))}`,
      );
      continue;
    }
    entries.push({
      preference: words[0],
      address,
      size,
      description: words.slice(3, -1).join(' '),
      file: words[words.length - 1],
    });
  }
  return entries;
}

export function formatDumpInfo(entries: readonly DumpInfoEntry[]): string {
  return entries
    .map(({ preference, address, size, description, file }) => {
      const columns = [
        `${preference} 0x${address.toString(16).padStart(16, '0')}`,
        String(size).padStart(16),
        description,
        file,
      ];
      return `${columns.join('\t')}\n`;
    })
    .join('');
}
