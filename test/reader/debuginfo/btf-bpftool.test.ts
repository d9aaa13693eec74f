// All types of real kernels, one by one, against what bpftool says of them.
import { dirname } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Issues } from 'kdumpling/reader';
import { type BtfTypes, btfOfElf, openElfFile, type Type } from 'kdumpling/reader/debuginfo';
import { FileSource } from 'kdumpling/reader/node';
import { peer } from '../../peer.js';
import { realVmlinux } from '../../real.js';
import { realPeerTest } from '../../real-peer.js';

interface Told {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size: number;
  readonly type_id: number;
  readonly ret_type_id: number;
  readonly nr_elems: number;
  readonly encoding: string;
  readonly nr_bits: number;
  readonly fwd_kind: string;
  readonly members: readonly { name: string; type_id: number; bits_offset: number; bitfield_size?: number }[];
  readonly values: readonly { name: string; val: number | string }[];
  readonly params: readonly { name: string; type_id: number }[];
  readonly vars: readonly { type_id: number; offset: number; size: number }[];
}

const plain = (name: string): string => (name === '(anon)' ? '' : name);
const QUALIFIERS: Record<string, string> = {
  CONST: 'const',
  VOLATILE: 'volatile',
  RESTRICT: 'restrict',
  TYPE_TAG: 'tag',
  TYPEDEF: 'typedef',
};

/** What we say of a type, and what bpftool says, in one shape; what a type refers to is compared as an object. */
function both(types: BtfTypes, told: Told, type: Type): [unknown[], unknown[]] {
  const at = (id: number) => types.type(id);
  switch (told.kind) {
    case 'INT': {
      const own = type as Extract<Type, { kind: 'int' }>;
      const sign = told.encoding === 'SIGNED';
      return [
        [own.kind, own.name, own.size, own.signed, own.encoding === 'bool'],
        ['int', told.name, told.size, sign, told.encoding === 'BOOL'],
      ];
    }
    case 'FLOAT': {
      const own = type as Extract<Type, { kind: 'float' }>;
      return [
        [own.kind, own.name, own.size],
        ['float', told.name, told.size],
      ];
    }
    case 'PTR': {
      const own = type as Extract<Type, { kind: 'pointer' }>;
      return [
        [own.kind, own.size, own.target],
        ['pointer', types.pointerSize, at(told.type_id)],
      ];
    }
    case 'ARRAY': {
      const own = type as Extract<Type, { kind: 'array' }>;
      return [
        [own.kind, own.length ?? 0, own.element],
        ['array', told.nr_elems, at(told.type_id)],
      ];
    }
    case 'STRUCT':
    case 'UNION': {
      const own = type as Extract<Type, { kind: 'struct' | 'union' }>;
      return [
        [own.kind, own.name, own.size, ...own.members.flatMap(m => [m.name, m.type, m.bitOffset, m.bitSize])],
        [
          told.kind.toLowerCase(),
          plain(told.name),
          told.size,
          ...told.members.flatMap(m => [plain(m.name), at(m.type_id), m.bits_offset, m.bitfield_size ?? 0]),
        ],
      ];
    }
    case 'FWD': {
      const own = type as Extract<Type, { kind: 'struct' | 'union' }>;
      return [
        [own.kind, own.name, own.complete],
        [told.fwd_kind, told.name, false],
      ];
    }
    case 'ENUM':
    case 'ENUM64': {
      const own = type as Extract<Type, { kind: 'enum' }>;
      const signed = told.encoding === 'SIGNED';
      // bpftool extends the sign of unsigned values of 32 bits too.
      const value = (text: number | string) =>
        told.kind === 'ENUM' && !signed ? BigInt.asUintN(32, BigInt(text)) : BigInt(text);
      return [
        [own.kind, own.name, own.size, own.signed, ...own.enumerators.flatMap(e => [e.name, e.value])],
        ['enum', plain(told.name), told.size, signed, ...told.values.flatMap(v => [v.name, value(v.val)])],
      ];
    }
    case 'FUNC_PROTO': {
      const own = type as Extract<Type, { kind: 'function' }>;
      const last = told.params.at(-1);
      const variadic = last?.type_id === 0;
      const params = variadic ? told.params.slice(0, -1) : told.params;
      return [
        [own.kind, own.returns, own.variadic, ...own.parameters.flatMap(p => [p.name, p.type])],
        ['function', at(told.ret_type_id), variadic, ...params.flatMap(p => [plain(p.name), at(p.type_id)])],
      ];
    }
    default: {
      const own = type as Extract<Type, { kind: 'const' | 'typedef' }>;
      return [
        [own.kind, own.name, own.target],
        [QUALIFIERS[told.kind], plain(told.name), at(told.type_id)],
      ];
    }
  }
}

/** Kinds that are not types of anything; they are asked for by name. */
function compareNamed(t: ExecutionContext, types: BtfTypes, told: Told, functions: Set<string>): boolean {
  switch (told.kind) {
    case 'FUNC':
      // Static functions may share a name; the first is found.
      if (!functions.has(told.name)) t.is(types.function(told.name), types.type(told.type_id) as never, told.name);
      functions.add(told.name);
      return true;
    case 'VAR':
      t.is(types.variable(told.name), types.type(told.type_id), told.name);
      return true;
    case 'DATASEC': {
      const section = [...types.dataSections()].find(one => one.name === told.name);
      t.is(section?.size, told.size);
      t.deepEqual(
        section?.variables.map(({ offset, size }) => [offset, size]),
        told.vars.map(({ offset, size }) => [offset, size]),
      );
      return true;
    }
    default:
      return told.kind === 'DECL_TAG';
  }
}

const same = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);

// Big-endian: s390x; pointers of 4 bytes: i386.
for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 's390x-6.1', 'i386-6.1', 'ppc64le-6.1']) {
  const vmlinux = realVmlinux(name);
  realPeerTest(`${name}: every type is as bpftool says`, [vmlinux], ['bpftool'], t => {
    const { stdout } = peer('bpftool', ['-j', 'btf', 'dump', 'file', vmlinux], [dirname(vmlinux)]);
    // Numbers past 2^53 as text.
    const told = (JSON.parse(stdout.replace(/:(-?\d{16,})/g, ':"$1"')) as { types: Told[] }).types;
    const source = new FileSource(vmlinux);
    const issues = new Issues();
    const types = btfOfElf(openElfFile(source), issues);
    source.close();
    if (types === null) {
      t.fail('no .BTF');
      return;
    }
    t.is(types.pointerSize, name === 'i386-6.1' ? 4 : 8);
    t.is(types.count, told.length);
    t.true(told.length > 50_000);
    const functions = new Set<string>();
    let wrong = 0;
    for (const one of told) {
      if (compareNamed(t, types, one, functions)) continue;
      const [ours, theirs] = both(types, one, types.type(one.id));
      if (same(ours, theirs)) continue;
      if (++wrong < 5) t.fail(`type ${one.id}: ${JSON.stringify(one)}: ${ours.map(part => String(part)).join(' ')}`);
    }
    t.is(wrong, 0);
    t.deepEqual(issues.list(), []);
  });
}
