// kdumpling vmalloc: areas of vmalloc space, as /proc/vmallocinfo has them.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { struct } from 'kdumpling/analysis/object';
import { areaAt, PRINTED_FLAGS, type VmallocArea, vmallocAreas } from 'kdumpling/analysis/pages';
import type { SymbolPlace } from 'kdumpling/analysis/symbols';
import { hex, type Issues, printable } from 'kdumpling/reader';
import { parseAddress } from './address-argument.js';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'Areas of vmalloc space by address: a line each as in /proc/vmallocinfo, without sizes of functions.',
      )
      .addArgument(dumpArgument())
      .argument('[addr...]', 'the areas that hold these addresses only: 0x…, decimal, SYMBOL or SYMBOL+0x…'),
  )
    .addHelpText('after', '\nExamples:\n  kdumpling vmalloc vmcore\n  kdumpling vmalloc vmcore 0xffffc90000123000')
    .action((dump: string, addresses: string[], options: KernelOptions) => vmalloc(context, dump, addresses, options));

function vmalloc(
  context: CommandContext,
  dump: string,
  texts: readonly string[],
  options: KernelOptions,
): Promise<void> {
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const addresses = texts.map(text => parseAddress(text, () => kernel.symbols).address);
    const areas = vmallocAreas(kernel, issues);
    const found = texts.length === 0 ? areas : holding(areas, addresses, issues);
    return {
      json: found.map(row),
      *text() {
        const digits = 2 * struct(kernel, 'vm_struct').sizeOf('phys_addr');
        for (const area of found) yield line(kernel, area, digits);
      },
      partial: incomplete(issues),
    };
  });
}

function holding(areas: readonly VmallocArea[], addresses: readonly bigint[], issues: Issues): VmallocArea[] {
  const found = new Set<VmallocArea>();
  for (const address of addresses) {
    const area = areaAt(areas, address);
    if (area === null) issues.add('no-such-area', 'no area of vmalloc space holds it', address);
    else found.add(area);
  }
  return [...found];
}

const sizeOf = ({ start, end }: Pick<VmallocArea, 'start' | 'end'>): number => Number(end - start);

const row = ({ start, end, kind, caller, pages, physical, flags, ...objects }: VmallocArea) => ({
  start,
  end,
  size: sizeOf({ start, end }),
  kind,
  caller,
  pages,
  physical,
  flags,
  ...objects,
});

/** %pS, without the function's size; where an offset is 0 the kernel prints it too. */
function callerText({ symbol, offset, module, address }: SymbolPlace): string {
  if (symbol === null || offset === null) return hex(address);
  return `${symbol}+0x${offset.toString(16)}${module === null ? '' : ` [${module}]`}`;
}

const WORDS = { area: '', vm_map_ram: 'vm_map_ram', unpurged: 'unpurged vm_area' } as const;

/** mm/vmalloc.c: vmalloc_info_show(). */
function line({ memory }: Kernel, area: VmallocArea, digits: number): string {
  const address = (value: bigint) => `0x${value.toString(16).padStart(2 * memory.pointerSize, '0')}`;
  const { start, end, kind, caller, pages, physical, flags } = area;
  const by = caller === null ? '' : callerText(caller);
  const details = [
    `${address(start)}-${address(end)} ${String(sizeOf(area)).padStart(7)}`,
    kind === 'area' ? by : WORDS[kind],
    pages === null || pages === 0 ? '' : `pages=${pages}`,
    physical === null ? '' : `phys=0x${physical.toString(16).padStart(digits, '0')}`,
    ...flags.filter(flag => PRINTED_FLAGS.has(flag)),
  ];
  return printable(details.filter(text => text !== '').join(' '));
}
