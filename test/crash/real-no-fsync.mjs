// Loaded with --import: a disk that is never asked to keep anything. The planted mistake of the real power cut.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const later = (_fd, done) => process.nextTick(done, null)
Object.assign(fs, { fsyncSync: () => undefined, fdatasyncSync: () => undefined, fsync: later, fdatasync: later })
syncBuiltinESMExports()
