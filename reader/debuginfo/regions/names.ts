// What regions are called in full, by the names that firmware's table has of them. Upstream drivers cut names to 8 letters, put a K before and the ID behind them (in the file's name); Qualcomm's
// downstream driver takes up to 12 letters. A name is completed only where one known name fits. Source: drivers/soc/qcom/minidump.c (meminspect v1 to v3), mm/kmemdump/qcom_minidump.c (RFC v3),
// drivers/soc/qcom/msm_minidump.c (msm-5.15).
import { NOT_VARIABLES, REGION_SERIES, type RegionSeries } from '../../formats/region-ids.js';
import type { DumpRegion } from '../../formats/region-names.js';

/** A variable by a region, and what tells that it is there. */
export interface NamedRegion {
  readonly name: string;
  readonly region: DumpRegion;
  readonly from: string;
}

/** Letters of a name in upstream drivers, and in the downstream one. */
const UPSTREAM_LENGTH = 8;
const DOWNSTREAM_LENGTH = 12;

const KNOWN: readonly string[] = [...new Set(REGION_SERIES.flatMap(({ ids }) => ids))].filter(
  name => name !== '' && !NOT_VARIABLES.has(name),
);

/** `K`, the driver's word, the ID. */
const recordName = ({ driverNames }: RegionSeries, id: number): string =>
  `K${(driverNames[id] ?? 'unknown').slice(0, UPSTREAM_LENGTH)}${id}`;

export function byNames(regions: readonly DumpRegion[]): NamedRegion[] {
  const named = regions.filter(({ name }) => name !== null);
  const fitting = REGION_SERIES.filter(series => fits(series, named));
  return named.flatMap(region => {
    const word = region.name ?? '';
    const full = byNumber(fitting, word) ?? byLetters(word);
    return full === null ? [] : [{ name: full, region, from: `the region ${word} holds it` }];
  });
}

/** No region contradicts the series' numbers, and some has a word of it. */
function fits(series: RegionSeries, regions: readonly DumpRegion[]): boolean {
  let words = 0;
  for (const { name } of regions) {
    const [, digits] = /^K.*?(\d+)$/.exec(name ?? '') ?? [];
    const id = Number(digits ?? 0);
    if (id === 0 || id >= series.ids.length) continue;
    if (!ends(name ?? '', series, id)) return false;
    if (series.driverNames[id] !== undefined) words++;
  }
  return words > 0;
}

/** Digits at the end may be the word's own too. */
const ends = (name: string, series: RegionSeries, id: number): boolean =>
  name === recordName(series, id) || idOf(series, name) > 0;

function idOf(series: RegionSeries, name: string): number {
  return series.ids.findIndex((_, id) => id > 0 && recordName(series, id) === name);
}

/** All series that fit have to agree. */
function byNumber(fitting: readonly RegionSeries[], word: string): string | null {
  const names = new Set(fitting.map(series => series.ids[idOf(series, word)] ?? ''));
  const [name = ''] = names;
  return names.size === 1 && name !== '' && !NOT_VARIABLES.has(name) ? name : null;
}

function byLetters(word: string): string | null {
  const upstream = /^K(.+?)\d*$/.exec(word)?.[1];
  if (upstream !== undefined && upstream.length >= UPSTREAM_LENGTH) return only(upstream.slice(0, UPSTREAM_LENGTH));
  if (KNOWN.includes(word)) return word;
  return word.length === DOWNSTREAM_LENGTH ? only(word) : null;
}

function only(start: string): string | null {
  const fitting = KNOWN.filter(name => name.startsWith(start));
  return fitting.length === 1 ? fitting[0] : null;
}
