// kdumpling struct, as users run it. The truth: what the guest said of itself, and the kernel's headers.
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realVmlinux } from '../real.js';
import { coreTest } from './demo-core.js';

const core = realDump('x86_64-6.1.elf');

interface Answer {
  readonly kind: string | null;
  readonly name: string | null;
  readonly size: number | null;
  readonly signed: boolean | null;
  readonly typedefs: readonly { name: string; type: string; declaration: string }[] | null;
  readonly types: readonly string[] | null;
  readonly members: readonly Record<string, unknown>[] | null;
  readonly enumerators: readonly { name: string; value: number }[] | null;
  readonly objects: readonly { address: string; cpu: number | null; value: Record<string, unknown> }[] | null;
  readonly issues: readonly { code: string; message: string }[];
}

function struct(...args: readonly string[]): Answer & { status: number | null } {
  const { stdout, status } = kdumpling('struct', ...args, '--json');
  return { ...(JSON.parse(stdout) as Answer), status };
}

realTest('a layout for people', [core], t => {
  const { stdout, status } = kdumpling('struct', core, 'list_head');
  t.is(status, 0);
  t.is(
    stdout,
    [
      'struct list_head {',
      '  offset    size',
      '       0       8  struct list_head *next;',
      '       8       8  struct list_head *prev;',
      '}  16 bytes',
      '',
    ].join('\n'),
  );
});

realTest('--json: members with their places, bitfields and anonymous members too', [core], t => {
  const answer = struct(core, 'struct timespec64');
  t.deepEqual(
    [answer.kind, answer.name, answer.size, answer.types, answer.objects],
    ['struct', 'timespec64', 16, ['btf'], null],
  );
  const rest = { bitOffset: null, bitSize: null, members: null };
  t.deepEqual(answer.members, [
    { name: 'tv_sec', type: 'time64_t', declaration: 'time64_t tv_sec', offset: 0, size: 8, ...rest },
    { name: 'tv_nsec', type: 'long int', declaration: 'long int tv_nsec', offset: 8, size: 8, ...rest },
  ]);
  const header = struct(core, 'iphdr');
  t.deepEqual(
    header.members?.slice(0, 2).map(one => [one['declaration'], one['offset'], one['bitOffset'], one['bitSize']]),
    [
      ['__u8 ihl : 4', 0, 0, 4],
      ['__u8 version : 4', 0, 4, 4],
    ],
  );
  const page = struct(core, 'page');
  t.is(page.size, 64);
  t.is(page.members?.[1]['name'], '');
  t.true(Array.isArray(page.members?.[1]['members']));
});

realTest('an enum', [core], t => {
  const { kind, enumerators } = struct(core, 'pid_type');
  t.is(kind, 'enum');
  t.deepEqual(enumerators?.slice(0, 2), [
    { name: 'PIDTYPE_PID', value: 0 },
    { name: 'PIDTYPE_TGID', value: 1 },
  ]);
});

/** What drgn's prog.type() and crash's whatis say of them in 6.1's DWARF. */
const NAMED = [
  ['s32', 'int', 'int', 4, true, ['s32: __s32', '__s32: int']],
  ['pid_t', 'int', 'int', 4, true, ['pid_t: __kernel_pid_t', '__kernel_pid_t: int']],
  ['u64', 'int', 'long long unsigned int', 8, false, ['u64: __u64', '__u64: long long unsigned int']],
  ['unsigned long', 'int', 'long unsigned int', 8, false, []],
  ['bool', 'int', '_Bool', 1, false, ['bool: _Bool']],
  ['struct list_head', 'struct', 'list_head', 16, null, []],
  ['enum pid_type', 'enum', 'pid_type', 4, false, []],
  ['union sigval', 'union', 'sigval', 8, null, []],
  ['sigval_t', 'union', 'sigval', 8, null, ['sigval_t: union sigval']],
  ['struct list_head *', 'pointer', 'struct list_head *', 8, null, []],
  ['void', 'void', 'void', 0, null, []],
] as const;

for (const [from, options] of [
  ['btf', []],
  ['dwarf,btf', ['--vmlinux', realVmlinux('x86_64-6.1')]],
] as const) {
  // Of DWARF one that takes a pass over all of it, and one of the first unit.
  const asked = from === 'btf' ? NAMED : NAMED.filter(([name]) => name === 'pid_t' || name === 'unsigned long');
  realTest(`typedefs, base types, tags, pointers: from ${from}`, [core, ...options.slice(1)], t => {
    for (const [name, kind, own, size, signed, typedefs] of asked) {
      const answer = struct(core, name, ...options);
      t.deepEqual(
        [answer.status, answer.kind, answer.name, answer.size, answer.signed, answer.types?.join()],
        [0, kind, own, size, signed, from],
        name,
      );
      t.deepEqual(
        answer.typedefs?.map(one => `${one.name}: ${one.type}`),
        [...typedefs],
        name,
      );
    }
  });
}

realTest('a typedef as text, and values of what is no struct', [core], t => {
  t.is(
    kdumpling('struct', core, 'pid_t').stdout,
    'typedef __kernel_pid_t pid_t;\ntypedef int __kernel_pid_t;\nint  4 bytes, signed\n',
  );
  t.regex(kdumpling('struct', core, 'atomic_t').stdout, /^typedef struct \{…\} atomic_t;\nstruct \{\n/);
  t.regex(
    kdumpling('struct', core, 'enum system_states', 'system_state').stdout,
    /^enum system_states at 0x[0-9a-f]{16} = SYSTEM_RUNNING \(\d\)\n$/,
  );
  t.is(struct(core, 'enum system_states', 'system_state').objects?.[0].value as unknown, 'SYSTEM_RUNNING');
  // The head of a list that is not empty points at its first element and at its last.
  const pointers = struct(core, 'struct list_head *', 'modules', '2').objects?.map(one => one.value as unknown);
  const head = struct(core, 'list_head', 'modules').objects?.[0].value ?? {};
  t.deepEqual(pointers, [head['next'], head['prev']]);
  t.is(kdumpling('struct', core, 'u64.x', 'jiffies_64').status, 2);
});

realTest('a pointer that is NULL on the way is the answer', [core], t => {
  // The idle task has no memory of its own.
  const { objects, status, issues } = struct(core, 'task_struct.mm.pgd,mm,comm', 'init_task');
  t.is(status, 0);
  t.deepEqual(objects?.[0].value, { 'mm.pgd': null, mm: '0x0', comm: 'swapper/0' });
  t.deepEqual(
    issues.map(({ code, message }) => `${code} ${message}`),
    ['behind-null mm.pgd: mm is NULL'],
  );
  t.regex(kdumpling('struct', core, 'task_struct.mm.pgd', 'init_task').stdout, /^ {2}mm\.pgd = NULL at mm$/m);
  const layout = struct(core, 'task_struct.mm.pgd');
  t.is(layout.status, 1);
  t.regex(layout.issues[0].message, /behind a pointer, in struct mm_struct, at its byte 72/);
});

realTest('values: text, numbers, pointers with their symbols, selected members', [core], t => {
  const whole = struct(core, 'uts_namespace', 'init_uts_ns');
  t.is(whole.status, 0);
  const name = whole.objects?.[0].value['name'] as Record<string, string>;
  t.deepEqual([name['sysname'], name['nodename'], name['release']], ['Linux', 'ktest-guest', '6.1.0-56-cloud-amd64']);
  const some = struct(core, 'task_struct.comm,pid,parent.comm,sched_class', 'init_task');
  t.deepEqual(
    some.members?.map(one => one['name']),
    ['comm', 'pid', 'sched_class'],
  );
  const [{ address, value }] = some.objects ?? [];
  t.is(address, '0xffffffffbcc1aa40');
  t.deepEqual([value['comm'], value['pid'], value['parent.comm']], ['swapper/0', 0, 'swapper/0']);
  const { stdout } = kdumpling('struct', core, 'task_struct.sched_class,comm', 'init_task');
  t.regex(
    stdout,
    /^struct task_struct at 0xffffffffbcc1aa40\n {2}sched_class = 0xf{8}[0-9a-f]{8} <idle_sched_class>\n/,
  );
});

realTest('several objects, one behind the other', [core], t => {
  const { objects } = struct(core, 'list_head', 'slab_caches', '3');
  t.deepEqual(
    objects?.map(one => Number(BigInt(one.address) - BigInt(objects[0].address))),
    [0, 16, 32],
  );
});

realTest('the copies of a per-CPU variable: all of them, one, and what is no CPU', [core], t => {
  const { objects, status } = struct(core, 'rq.cpu,idle.comm,nr_running', 'runqueues:all');
  t.is(status, 0);
  // The guest had two.
  t.deepEqual(
    objects?.map(({ cpu, value }) => [cpu, value['cpu'], value['idle.comm']]),
    [
      [0, 0, 'swapper/0'],
      [1, 1, 'swapper/1'],
    ],
  );
  t.deepEqual(
    struct(core, 'rq.cpu', 'runqueues:1,7-9').objects?.map(one => one.cpu),
    [1],
  );
  const none = struct(core, 'rq.cpu', 'runqueues:7');
  t.deepEqual([none.status, none.objects, none.issues.map(one => one.code)], [1, [], ['no-such-cpu']]);
  for (const cpus of ['', 'x', '1;2']) t.is(kdumpling('struct', core, 'rq', `runqueues:${cpus}`).status, 2, cpus);
});

realTest('a member that is not there costs its own value only', [core], t => {
  const { objects, status, issues } = struct(core, 'task_struct.comm,no_such,comm[16]', 'init_task');
  t.is(status, 1);
  t.deepEqual(objects?.[0].value, { comm: 'swapper/0', no_such: null, 'comm[16]': null });
  t.deepEqual(
    issues.map(issue => issue.message.split(':')[0]),
    ['no_such', 'comm[16]'],
  );
  const layout = struct(core, 'task_struct.no_such,pid');
  t.deepEqual([layout.status, layout.members?.map(one => one['name'])], [1, ['pid']]);
});

realTest('memory that is not there: null, told, and exit status 1', [core], t => {
  const { objects, status, issues } = struct(core, 'list_head', '0x1000');
  t.is(status, 1);
  t.deepEqual(objects?.[0].value, { next: null, prev: null });
  t.deepEqual(
    issues.map(issue => issue.code),
    ['no-value', 'no-value'],
  );
});

realTest('a type that the kernel does not have: names like it', [core], t => {
  const { status, kind, issues } = struct(core, 'mem_cgroup_thresh');
  t.is(status, 1);
  t.is(kind, null);
  t.regex(issues[0].message, /there is struct mem_cgroup_threshold/);
});

realTest('wrong usage', [core], t => {
  t.is(kdumpling('struct', core, 'list_head', 'slab_caches', '0').status, 2);
  t.is(kdumpling('struct', core, 'list_head', 'no_such_symbol').status, 2);
  for (const name of ['task_struct.', 'task_struct.pid,,comm', 'task_struct.mm..pgd', 'task_struct.comm['])
    t.is(kdumpling('struct', core, name, 'init_task').status, 2, name);
});

realTest('a char * is told with its text', [core], t => {
  // What the guest mounted first.
  const { objects } = struct(core, 'file_system_type.name', 'rootfs_fs_type');
  const name = objects?.[0].value['name'] as { address: string; text: string };
  t.is(name.text, 'rootfs');
  t.is(kdumpling('read', core, name.address, '7', '--raw').stdout, 'rootfs\0');
});

const big = realDump('s390x-6.1.elf');
const lite = realVmlinux('s390x-6.1');

realTest('big-endian memory, types from a vmlinux; without one it says what lacks', [big, lite], t => {
  const { objects, types, status } = struct(big, 'task_struct.comm,pid,sched_class', 'init_task', '--vmlinux', lite);
  t.is(status, 0);
  t.deepEqual(types, ['btf']);
  t.deepEqual([objects?.[0].value['comm'], objects?.[0].value['pid']], ['swapper/0', 0]);
  const without = struct(big, 'task_struct');
  t.is(without.status, 1);
  t.true(without.issues.some(issue => /--vmlinux/.test(issue.message)));
});

const arm = realDump('arm64-6.1.elf');

realTest("a module's struct", [arm], t => {
  t.is(struct(arm, 'virtio_blk').size, 280);
});

coreTest('a region core without types', (t, path) => {
  const answer = struct(path, 'list_head');
  t.is(answer.status, 1);
  t.is(answer.size, null);
  t.true(answer.issues.some(issue => issue.code === 'missing-type'));
});
