// The bare limit of one migration step with everything that makes it safe: one thread, synchronous calls. Reads, parses, transforms, stringifies and
// writes each file; hashes (SHA-1 and SHA-256) and deflates the old and the new bytes into one file; flushes each new file, the pack and the folders.
//   node limit.mjs DATA OUT
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { transformConfig, transformDay } from './transform.mjs'

const [data, out] = process.argv.slice(2)
mkdirSync(join(out, 'data'), { recursive: true })
const pack = openSync(join(out, 'pack'), 'w')
const store = (bytes) => {
  createHash('sha256').update(bytes).digest()
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest()
  writeSync(pack, deflateSync(bytes, bytes.length <= 4096 ? { level: 1, windowBits: 12, memLevel: 5 } : { level: 1 }))
}
const flush = (path) => {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
const config = JSON.parse(readFileSync(join(data, 'config.json'), 'utf8'))
const one = (path, transform) => {
  const before = readFileSync(join(data, path))
  store(before)
  const after = Buffer.from(JSON.stringify(transform(JSON.parse(before.toString('utf8'))), null, 2))
  const fd = openSync(join(out, path), 'w')
  writeSync(fd, after)
  fsyncSync(fd)
  closeSync(fd)
  store(after)
}
for (const name of readdirSync(join(data, 'data'))) one(join('data', name), (records) => transformDay(records, name.slice(0, 10), config))
one('config.json', transformConfig)
fsyncSync(pack)
closeSync(pack)
flush(join(out, 'data'))
flush(out)
