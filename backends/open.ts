// Back-ends by name, with the options that each takes.
import { KINFO_LAYOUTS, type KinfoLayout } from 'kdumpling/reader/formats/debug-kinfo';
import { MSM_SHAPES, MSM_USUAL_SLOTS, type MsmShape } from 'kdumpling/reader/formats/qcom-msm';
import { type Backend, BackendOptionError } from './backend.js';
import { openDebugKinfo } from './debug-kinfo.js';
import { openDefault } from './default.js';
import type { Media } from './firmware/media.js';
import { openQcomMinidump, type QualcommOptions } from './qcom-minidump.js';
import { openQcomMsm } from './qcom-msm.js';
import { openRaw } from './raw.js';
import { openRawCore } from './raw-core.js';
import { openVmcore } from './vmcore/vmcore.js';

export type BackendName = 'default' | 'qcom-minidump' | 'qcom-msm' | 'debug-kinfo' | 'raw' | 'vmcore';

export interface BackendOptions {
  /** Qualcomm: what firmware leaves the dump on (`folder`). */
  readonly media?: Media;
  /** Qualcomm, folder: without dump_info.txt and load.cmm. */
  readonly bare?: boolean;
  /** Qualcomm: blobs that read as noise, with key files beside them. */
  readonly encrypted?: boolean;
  /** Qualcomm: false for firmware whose table is not ready. */
  readonly firmwareReady?: boolean;
  /**
   * debug-kinfo: bytes of the area (`216`, the newest kernel's); qcom-msm: what comes before the regions' sections (`table-banner`); vmcore: `elf32` or `elf64`
   * (as kexec-tools chooses); raw: `files` (a file a region) or `core` (one ELF core).
   */
  readonly layout?: string;
  /** qcom-msm: CONFIG_MINIDUMP_MAX_ENTRIES + 1 (201). */
  readonly slots?: number;
  /** qcom-msm: name of the header's region (`KELF_HDR`). */
  readonly headerName?: string;
  /** qcom-msm: how many regions are added before the driver comes up: in the table, not in the header (0). */
  readonly pending?: number;
}

const QUALCOMM = ['media', 'bare', 'encrypted', 'firmwareReady'] as const;

interface Kind {
  readonly takes: readonly (keyof BackendOptions)[];
  open(options: BackendOptions): Backend;
}

const KINDS: Readonly<Record<BackendName, Kind>> = {
  default: { takes: [], open: openDefault },
  'qcom-minidump': { takes: QUALCOMM, open: options => openQcomMinidump(qualcomm(options)) },
  'qcom-msm': {
    takes: [...QUALCOMM, 'layout', 'slots', 'headerName', 'pending'],
    open: options =>
      openQcomMsm({
        ...qualcomm(options),
        shape: shapeOf(options.layout),
        slots: slotsOf(options.slots),
        headerName: options.headerName ?? 'KELF_HDR',
        pending: options.pending ?? 0,
      }),
  },
  'debug-kinfo': { takes: ['layout'], open: ({ layout }) => openDebugKinfo(kinfoLayoutOf(layout)) },
  raw: { takes: ['layout'], open: ({ layout }) => rawOf(layout) },
  vmcore: { takes: ['layout'], open: ({ layout }) => openVmcore(elfBitsOf(layout)) },
};

export const BACKEND_NAMES = Object.keys(KINDS) as readonly BackendName[];

/** Throws BackendOptionError where there is no such back-end, or it has no such option. */
export function openBackend(name: string, options: BackendOptions = {}): Backend {
  const known = BACKEND_NAMES.find(each => each === name);
  if (known === undefined) {
    throw new BackendOptionError(
      `there is no back-end ${JSON.stringify(name)}: it is one of ${BACKEND_NAMES.join(', ')}`,
    );
  }
  const kind = KINDS[known];
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || kind.takes.some(each => each === option)) continue;
    throw new BackendOptionError(`the back-end ${name} has no option ${option}`);
  }
  return kind.open(options);
}

function qualcomm({ media, bare, encrypted, firmwareReady }: BackendOptions): QualcommOptions {
  if (bare === true && media !== undefined && media !== 'folder') {
    throw new BackendOptionError(`only a folder can be bare, not ${media}`);
  }
  return {
    media: media ?? 'folder',
    bare: bare ?? false,
    encrypted: encrypted ?? false,
    firmwareReady: firmwareReady ?? true,
  };
}

function shapeOf(layout: string | undefined): MsmShape {
  const shape = MSM_SHAPES.find(each => each === (layout ?? 'table-banner'));
  if (shape === undefined) {
    throw new BackendOptionError(
      `qcom-msm has no layout ${JSON.stringify(layout)}: it is one of ${MSM_SHAPES.join(', ')}`,
    );
  }
  return shape;
}

function slotsOf(slots: number | undefined): number {
  const value = slots ?? MSM_USUAL_SLOTS;
  if (!Number.isInteger(value) || value < 5 || value > MSM_USUAL_SLOTS) {
    throw new BackendOptionError(`slots is ${value}: it is 5 to ${MSM_USUAL_SLOTS}`);
  }
  return value;
}

function elfBitsOf(layout: string | undefined): 32 | 64 | null {
  if (layout === undefined) return null;
  if (layout === 'elf32') return 32;
  if (layout === 'elf64') return 64;
  throw new BackendOptionError(`vmcore has no layout ${JSON.stringify(layout)}: it is elf32 or elf64`);
}

function rawOf(layout: string | undefined): Backend {
  if (layout === undefined || layout === 'files') return openRaw();
  if (layout === 'core') return openRawCore();
  throw new BackendOptionError(`raw has no layout ${JSON.stringify(layout)}: it is files or core`);
}

function kinfoLayoutOf(layout: string | undefined): KinfoLayout {
  const found = KINFO_LAYOUTS.find(({ size }) => String(size) === (layout ?? '216'));
  if (found === undefined) {
    const sizes = KINFO_LAYOUTS.map(({ size, origin }) => `${size} (${origin})`).join(', ');
    throw new BackendOptionError(`debug-kinfo has no layout ${JSON.stringify(layout)}: it is one of ${sizes}`);
  }
  return found;
}
