// Layouts as crash prints them, and values of objects as drgn reads them, both with DWARF; ours with nothing but the dump.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openKernel } from 'kdumpling/analysis';
import { type LayoutMember, layout, objectAt, struct } from 'kdumpling/analysis/object';
import { openFile } from 'kdumpling/reader/node';
import { peer } from '../../peer.js';
import { realDump, realVmlinux } from '../../real.js';
import { realPeerTest } from '../../real-peer.js';

const SCRIPT = join(import.meta.dirname, '../../../../test/peers/drgn-values.py');

interface Told {
  readonly type: string;
  readonly address: string;
  readonly value: unknown;
}

const asJson = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? hex(item) : item)));
const hex = (value: bigint): string => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];
  realPeerTest(`${name}: every value of some forty objects is as drgn reads it`, [dump, vmlinux], ['drgn'], async t => {
    const { stdout, stderr } = peer(
      'python3',
      ['-c', readFileSync(SCRIPT, 'utf8'), dump, vmlinux],
      [dirname(dump), dirname(vmlinux)],
    );
    t.not(stdout, '', stderr);
    const told = JSON.parse(stdout) as Told[];
    t.true(told.length > 35);
    const opened = await openFile(dump);
    const kernel = await openKernel(opened);
    t.is(kernel.types?.source, 'btf');
    for (const { type, address, value } of told) {
      const plain = type.replace(/^const /, '');
      t.deepEqual(asJson(objectAt(kernel, plain, BigInt(address)).plain()), value, `${type} at ${address}`);
    }
    opened.close();
  });
}

/** `[offset] name` of each member in order, bits of bitfields too; of a struct that is a named member only the member. */
function crashLayout(text: string): { size: number; members: string[] } {
  const blocks: string[][] = [[]];
  for (const line of text.split('\n')) {
    const [, offset, rest] = /^ *(?:\[(\d+)\])? *(.*)$/.exec(line) ?? [];
    if (/^(struct|union|enum)[\w ]*\{$/.test(rest)) blocks.push([]);
    else if (rest === '};') blocks.at(-2)?.push(...(blocks.pop() ?? []));
    else if (offset !== undefined) {
      if (rest.startsWith('}')) blocks.pop();
      blocks.at(-1)?.push(`${offset} ${nameOf(rest)}`);
    }
  }
  return { size: Number(/SIZE: (\d+)/.exec(text)?.[1]), members: blocks.flat() };
}

/** The name in a declaration: of a pointer to a function or an array the one in parentheses. */
function nameOf(declaration: string): string {
  const inner = /\(\*+(?:const )?(\w+)(?:\[\d*\])*\)/.exec(declaration);
  const [, name, bits = ''] = /(\w+)(?:\[\d*\])*( : \d+)?;$/.exec(declaration) ?? [];
  return inner?.[1] ?? `${name}${bits}`;
}

const flat = (members: readonly LayoutMember[]): string[] =>
  members.flatMap(({ name, offset, bitSize, members: inner }) =>
    inner === null ? [`${offset} ${name}${bitSize === null ? '' : ` : ${bitSize}`}`] : flat(inner),
  );

const STRUCTS =
  'list_head task_struct mm_struct vm_area_struct page rq cfs_rq file inode dentry super_block mount module net_device sk_buff sock iphdr tcphdr signal_struct cred pid kmem_cache zone pglist_data irq_desc bio request_queue device timer_base work_struct xa_node maple_node perf_event bpf_prog cgroup'.split(
    ' ',
  );

for (const [name, options] of [
  ['x86_64-6.1', []],
  // crash 9.0.2 does not know its modules.
  ['x86_64-7.3', ['--no_modules']],
] as const) {
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];
  realPeerTest(`${name}: layouts are those that crash prints`, [dump, vmlinux], ['crash'], async t => {
    const input = `set scroll off\n${STRUCTS.map(one => `struct -o ${one}\n`).join('')}`;
    const { stdout } = peer('crash', ['-s', ...options, vmlinux, dump], [dirname(dump), dirname(vmlinux)], input);
    const told = new Map(
      [...stdout.matchAll(/^struct (\w+) \{\n[\s\S]*?^SIZE: \d+$/gm)].map(([text, label]) => [
        label,
        crashLayout(text),
      ]),
    );
    const opened = await openFile(dump);
    const kernel = await openKernel(opened);
    for (const label of STRUCTS) {
      const { size, members } = layout(struct(kernel, label).type);
      t.deepEqual({ size, members: flat(members) }, told.get(label), label);
    }
    opened.close();
  });
}
