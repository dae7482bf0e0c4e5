import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { temporary } from './temporary.ts'

/** Runs `act` as a user who may not read everything: root reads any file, so a test as root would prove nothing. */
export const asNobody = <T>(act: () => T): T => {
  if (process.geteuid?.() !== 0) return act()
  process.seteuid?.(65534)
  try {
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

/** A module of ours (with what it imports) as JavaScript, for a process of its own. */
export const bundled = (source: string): string => {
  const outfile = join(temporary(), 'bundle.mjs')
  buildSync({
    stdin: { contents: source, resolveDir: join(import.meta.dirname, '../..'), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
  })
  return outfile
}
