// How modules of users' scripts are found and read: `kdumpling/…` is this installation, wherever the script lies, and .ts files lose their types.
// Node's hooks (module.register) in a thread of their own, or, where it has them, in the same one (module.registerHooks): both take these functions.
import { readFileSync } from 'node:fs';
import type { LoadHookContext, ResolveHookContext } from 'node:module';
import { fileURLToPath } from 'node:url';
import { stripTypes } from './strip-types.js';

type Next<C, R> = (specifier: string, context: C) => R;

export function resolve<R>(specifier: string, context: ResolveHookContext, next: Next<ResolveHookContext, R>): R {
  const isOurs = /^kdumpling(?:\/|$)/.test(specifier);
  return next(specifier, isOurs ? { ...context, parentURL: import.meta.url } : context);
}

export function load<R>(url: string, context: LoadHookContext, next: Next<LoadHookContext, R>) {
  if (!url.startsWith('file:') || !/\.m?ts$/.test(new URL(url).pathname)) return next(url, context);
  const file = fileURLToPath(url);
  return { format: 'module' as const, shortCircuit: true, source: stripTypes(readFileSync(file, 'utf8'), file) };
}
