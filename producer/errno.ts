// Results of registration in the kernel's own words.

/** The kernel's error numbers that back-ends and registries return, by name. */
export type Errno = 'EINVAL' | 'ENOSPC' | 'ENOMEM' | 'EALREADY' | 'EEXIST' | 'ENOENT' | 'ENAVAIL';

export interface Refusal {
  readonly errno: Errno;
  /** A sentence. */
  readonly message: string;
}
