// The least a durable switch can cost: write a small file, flush it, rename it, flush the folder. Prints the median of 200 in milliseconds.
//   node durable-write.mjs DIR
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const [dir] = process.argv.slice(2)
const text = JSON.stringify({ format: 1, directory: 'snapshots/2.1.0-v1stgxr8', padding: 'x'.repeat(250) })
const times = Array.from({ length: 200 }, () => {
  const began = performance.now()
  const fd = openSync(join(dir, 'pointer.tmp'), 'w')
  writeSync(fd, text)
  fsyncSync(fd)
  closeSync(fd)
  renameSync(join(dir, 'pointer.tmp'), join(dir, 'pointer'))
  const folder = openSync(dir, 'r')
  fsyncSync(folder)
  closeSync(folder)
  return performance.now() - began
}).sort((a, b) => a - b)
console.log(times[100])
