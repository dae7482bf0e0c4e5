// Loaded with `--import`: every name that a command makes up is the same in each run, so that strace can be told the paths beforehand.
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

let count = 0
const fill = (buffer) => {
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  for (let i = 0; i < bytes.length; i += 32)
    bytes.set(
      crypto
        .createHash('sha256')
        .update(String(count++))
        .digest()
        .subarray(0, Math.min(32, bytes.length - i)),
      i,
    )
  return buffer
}
crypto.randomFillSync = fill
crypto.randomBytes = (size) => fill(Buffer.alloc(size))
Object.defineProperty(crypto.webcrypto, 'getRandomValues', { value: fill })
syncBuiltinESMExports()
