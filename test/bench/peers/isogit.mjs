// A peer: isomorphic-git's own add and commit.
//   node isogit.mjs DATA
import * as fs from 'node:fs'
import { add, commit, init } from 'isomorphic-git'

const [dir] = process.argv.slice(2)
await init({ fs, dir, defaultBranch: 'main' })
await add({ fs, dir, filepath: '.' })
await commit({ fs, dir, message: 'capture', author: { name: 'bench', email: 'bench@localhost' } })
