// Who took a slab object and who gave it back, as lines below what is told of the object.
import { callText, type NamedTrack, trackText } from 'kdumpling/analysis/slab';
import { printable } from 'kdumpling/reader';

export interface WithTracks {
  readonly allocated: NamedTrack | null;
  readonly freed: NamedTrack | null;
}

export function* trackLines({ allocated, freed }: WithTracks): Iterable<string> {
  for (const [what, track] of [['allocated', allocated] as const, ['freed', freed] as const]) {
    if (track === null) continue;
    yield printable(`  ${what} ${trackText(track)}`);
    for (const call of track.stack ?? []) yield printable(`    ${callText(call)}`);
  }
}
