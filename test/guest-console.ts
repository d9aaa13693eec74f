// What a guest printed on its console before it died.

/** The lines under a title. */
export function section(log: string, title: string): string[] {
  const start = log.indexOf(`\n=== ${title}\n`);
  const body = log.slice(start + title.length + 6);
  const end = body.search(/^===|^KDREADY/m);
  return start < 0
    ? []
    : body
        .slice(0, end)
        .split('\n')
        .filter(line => line !== '');
}

/** Blocks that begin with a line that names a process, by its PID. */
export function byPid(log: string, begin: RegExp, end: RegExp): Map<string, string[]> {
  const blocks = new Map<string, string[]>();
  let block: string[] | null = null;
  for (const line of log.split('\n')) {
    const pid = begin.exec(line)?.[1];
    if (pid !== undefined) {
      block = [];
      blocks.set(pid, block);
    } else if (end.test(line)) block = null;
    else block?.push(line);
  }
  return blocks;
}

/** The areas of processes as /proc/PID/maps had them: start, end, flags, file, offset. */
export function mapsOf(log: string): [pid: string, rows: unknown[][]][] {
  const blocks = byPid(log, /^MAPS-BEGIN name=kd\w+ pid=(\d+)$/, /^MAPS-END/);
  const hex = (text: string) => `0x${BigInt(`0x${text}`).toString(16)}`;
  return [...blocks].map(([pid, lines]) => [
    pid,
    lines.map(line => {
      const [, start, end, flags, offset, file] = /^(\w+)-(\w+) (\S+) (\w+) \S+ \d+ *(.*)$/.exec(line) ?? [];
      return [hex(start), hex(end), flags, file === '' ? null : file, Number.parseInt(offset, 16)];
    }),
  ]);
}

/** The open files of processes, as ls showed /proc/PID/fd. */
export function linksOf(log: string): [pid: string, rows: [fd: number, path: string][]][] {
  const blocks = byPid(section(log, 'fds').join('\n'), /^FDS pid=(\d+) /, /^total 1/);
  return [...blocks].map(([pid, lines]) => [
    pid,
    [...lines.join('\n').matchAll(/ (\d+) -> (.*)$/gm)].map(([, fd, path]) => [Number(fd), path]),
  ]);
}
