// What a guest's /proc said, as rows.

/** /proc/PID/stat: what is in parentheses may hold anything. */
export function parseStat(text: string) {
  const [, pid, comm, state, ppid] = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(text) ?? [];
  return { pid: Number(pid), comm, state, ppid: Number(ppid) };
}

/** /proc/PID/smaps, an area each. */
export function parseSmaps(text: string) {
  const areas: Record<string, unknown>[] = [];
  for (const line of text.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+\s*(.*)$/.exec(line);
    const rss = /^Rss: +(\d+) kB/.exec(line);
    const words = /^VmFlags: (.*?) *$/.exec(line);
    const area = areas.at(-1);
    if (head !== null) {
      const [, start, end, flags, offset, file] = head;
      areas.push({ start, end, flags, file: file === '' ? null : file, offset: Number.parseInt(offset, 16) });
    } else if (rss !== null && area !== undefined) area['rss'] = Number(rss[1]) * 1024;
    else if (words !== null && area !== undefined) area['flagWords'] = words[1].split(' ');
  }
  return areas;
}

/** The links of /proc/PID/fd as ls shows them, and /proc/PID/fdinfo one behind the other. */
export function parseFiles(links: string, info: string) {
  const found = new Map([...links.matchAll(/ (\d+) -> (.*)$/gm)].map(([, fd, path]) => [Number(fd), path] as const));
  const blocks = info.split(/^== /m).slice(1);
  return blocks.map(block => ({
    fd: Number.parseInt(block, 10),
    path: found.get(Number.parseInt(block, 10)),
    flags: /^flags:\s+(\d+)/m.exec(block)?.[1],
    position: Number(/^pos:\s+(\d+)/m.exec(block)?.[1]),
  }));
}
