// An ELF file's DWARF that is opened when it is first asked for: all that must be waited for is done before.
import { isElf } from '../../formats/elf.js';
import type { Issues } from '../../issue.js';
import type { ByteSource } from '../../source.js';
import { openElfFile } from '../elf-file.js';
import { type Decompressors, loadDecompressors } from './compressed.js';
import { Dwarf } from './dwarf.js';
import { DwarfTypes } from './dwarf-types.js';

export class LazyDwarf {
  readonly #source: ByteSource;
  /** Null for what is no ELF file (a System.map). */
  readonly #decompressors: Decompressors | null;
  #opened: Dwarf | null | undefined;

  private constructor(source: ByteSource, decompressors: Decompressors | null) {
    this.#source = source;
    this.#decompressors = decompressors;
  }

  static async of(source: ByteSource): Promise<LazyDwarf> {
    const magic = new Uint8Array(4);
    const is = source.read(0, magic) === magic.length && isElf(magic);
    return new LazyDwarf(source, is ? await loadDecompressors(openElfFile(source)) : null);
  }

  /**
   * The same one each time; null if the file has none. Throws InputError for sections that cannot be read.
   * @param issues where what is odd about it goes, when it is opened and later
   */
  open(issues: Issues): Dwarf | null {
    if (this.#opened === undefined) {
      const how = this.#decompressors;
      this.#opened = how === null ? null : Dwarf.openWith(openElfFile(this.#source), how, { issues });
    }
    return this.#opened;
  }

  /** Its types, for `openTypes`. */
  types(issues: Issues): DwarfTypes | null {
    const dwarf = this.open(issues);
    return dwarf === null ? null : new DwarfTypes(dwarf);
  }
}
