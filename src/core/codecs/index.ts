export { type Arrangement, type Codec, arranged, json } from './codec.ts'
export { brotli, gzip, zstd } from './compressed.ts'
export { messagePack } from './message-pack.ts'
export { ndjson } from './ndjson.ts'
