import { resolve } from 'node:path'
import { StrataError, printable } from '../index.ts'
import { plural, size } from './output.ts'
import { showProgress } from './progress.ts'
import type { Run } from './run.ts'
import { print, text } from './run.ts'

const MOST = 20

const listed = (paths: readonly string[]): string[] => [
  ...paths.slice(0, MOST).map((path) => `  ${printable(path)}`),
  ...(paths.length > MOST ? [`  and ${plural(paths.length - MOST, 'more file')}`] : []),
]

const live = async (run: Run, name: string): Promise<number> => {
  const stop = showProgress(run.app, run.parsed)
  const done = await run.app.restoreLive(name).finally(stop)
  const status = await run.app.checkMigrationsNeeded()
  const lines =
    done.jobId === null
      ? ['The active data holds the very same already.']
      : [
          `Restored ${plural(done.files.length, 'file')} of ${done.snapshot} (${done.jobId})`,
          ...listed(done.files),
          `  active   ${status.directory}`,
          'Undo it with: strata rollback',
        ]
  print(run, { ...done, status }, lines)
  return 0
}

/** Into a directory, or into the active data: which one has to be said. */
export const restore = async (run: Run): Promise<number> => {
  const { flags, args } = run.parsed
  const [name = ''] = args
  const to = text(flags.to)
  if ((to === undefined) === (flags.live !== true))
    throw new StrataError('BAD_ARGUMENT', 'restore needs --to DIR or --live', {
      hint: `For example: strata restore ${name} --to /tmp/old. With --live it goes into the active data.`,
    })
  if (to === undefined) return live(run, name)
  const done = await run.app.restore(name, { to: resolve(to), replace: flags.replace === true })
  print(run, done, [
    `Restored ${plural(done.files, 'file')}, ${size(done.bytes)}, of ${done.snapshot} to ${printable(done.to)}`,
    ...(done.movedTo === null ? [] : [`  ${plural(done.replaced.length, 'file')} that differed: kept in ${printable(done.movedTo)}`]),
  ])
  return 0
}
