#!/usr/bin/env node
// The executable. Node 22.1 and later keep compiled code between runs (in the folder for temporary files), so that a command starts sooner; it has to be told before the code is loaded.
import module from 'node:module';

const { enableCompileCache } = module as typeof module & { readonly enableCompileCache?: () => unknown };
enableCompileCache?.();
// Not awaited: as a bundle this is no ES module.
void import('./run.js');
