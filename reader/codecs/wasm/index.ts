// AssemblyScript. What the module exports; ../wasm.ts lays out its memory and checks all ranges. `npm run wasm` compiles it to ../wasm.generated.ts.
export { lzoDecompress } from './lzo';
export { snappyDecompress } from './snappy';
