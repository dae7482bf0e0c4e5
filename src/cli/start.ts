import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layout, nodeFsPort, readPointer, writeInitial } from '../light.ts'
import { err, fail } from './output.ts'

/** `npm start`: the main job on the embedded store, with sample data where the user names no directory of their own. */

process.env.UV_THREADPOOL_SIZE ??= '16'

const BUILT_IN = new URL('./netmonitor.js', import.meta.url)
const DAYS = 30
const SEED = 20251208

type Sample = { sampleFiles: (options: { days: number; endDate: string; seed: number }) => Iterable<[string, Uint8Array]> }

const writeSample = async (dir: string): Promise<void> => {
  // The built-in module exports the generator beside its dataset.
  const { sampleFiles } = (await import(BUILT_IN.href)) as Sample
  writeInitial(
    { fs: nodeFsPort },
    dir,
    new Map(sampleFiles({ days: DAYS, endDate: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10), seed: SEED })),
  )
  err(`made ${DAYS} days of sample data in ${dir}`)
}

const main = async (): Promise<void> => {
  const argv = process.argv.slice(2)
  const { parseCommandLine } = await import('./parse.ts')
  const parsed = parseCommandLine(['start', ...argv])
  const root = resolve(typeof parsed.flags.store === 'string' ? parsed.flags.store : 'store')
  const isNew = readPointer({ root, paths: layout(root), fs: nodeFsPort }) === undefined
  const sample = join(root, 'sample')
  const args = parsed.flags.from === undefined && isNew ? { ...parsed, flags: { ...parsed.flags, from: sample } } : parsed
  if (args !== parsed) await writeSample(sample)
  const { runCommand } = await import('./commands.ts')
  process.exitCode = await runCommand('start', args, fileURLToPath(BUILT_IN))
}

try {
  await main()
} catch (error) {
  fail(error, process.argv.includes('--json'))
  process.exitCode = 1
}
