// Compression levels by codec: the range that its library takes, and what makedumpfile uses (the fastest).
import type { CodecName } from './codec.js';

const LEVELS: { readonly [name in CodecName]: { least: number; most: number; usual: number } | null } = {
  zlib: { least: 1, most: 9, usual: 1 },
  zstd: { least: 1, most: 22, usual: 1 },
  lzo: null,
  snappy: null,
};

/** Why a level cannot be had, as a sentence, or null if it can; for asking before work is begun. */
export function refusedLevel(name: CodecName, level: number): string | null {
  const levels = LEVELS[name];
  if (levels === null) return `${name} has no compression levels; leave the level out`;
  if (Number.isInteger(level) && level >= levels.least && level <= levels.most) return null;
  return `${name} has no level ${level}; its levels are the whole numbers ${levels.least} to ${levels.most}`;
}

/** The level to use, the usual one where none was asked for. Throws RangeError with `refusedLevel`'s sentence. */
export function checkedLevel(name: CodecName, level: number | undefined): number {
  if (level === undefined) return LEVELS[name]?.usual ?? 0;
  const refused = refusedLevel(name, level);
  if (refused !== null) throw new RangeError(refused);
  return level;
}
