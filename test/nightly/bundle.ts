import { join } from 'node:path'
import { build } from 'esbuild'
import { ROOT } from '../support/sandbox.ts'

/** A source file with everything it imports as one file, for a process without vitest. Returns its path below `dir`. */
export const bundle = async (source: string, dir: string): Promise<string> => {
  const outfile = join(dir, 'bundle.mjs')
  await build({
    entryPoints: [join(ROOT, source)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
    define: { STRATA_VERSION: '"test"', STRATA_BUILD: '"test"' },
    banner: { js: "import { createRequire as strataRequire } from 'node:module'; const require = strataRequire(import.meta.url);" },
  })
  return outfile
}
