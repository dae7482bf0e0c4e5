import type { App, MigrationProgress } from '../index.ts'

/** What is told without being asked for. `changed`: the store has another head, whoever changed it; Overview tells which. */
export type Notice =
  | { readonly method: 'progress'; readonly params: MigrationProgress }
  | { readonly method: 'changed'; readonly params: { readonly revision: string } }

const PROGRESS_MS = 100
const LOOK_MS = 500

/** Tells of progress, at most ten times a second but never missing a phase, and of changes, also those that another process made. */
export const openFeed = (app: App, tell: (notice: Notice) => void): (() => void) => {
  let last = { at: 0, phase: '' }
  let waiting: NodeJS.Timeout | null = null
  const report = (progress: MigrationProgress): void => {
    if (waiting !== null) clearTimeout(waiting)
    waiting = null
    last = { at: Date.now(), phase: progress.phase }
    tell({ method: 'progress', params: progress })
  }
  const stop = app.onProgress((progress) => {
    const rest = PROGRESS_MS - (Date.now() - last.at)
    if (rest <= 0 || progress.phase !== last.phase) report(progress)
    else waiting ??= setTimeout(() => void app.getMigrationStatus().then(report), rest).unref()
  })
  let revision = app.revision()
  const timer = setInterval(() => {
    const now = seen(app)
    if (now === revision) return
    revision = now
    tell({ method: 'changed', params: { revision } })
  }, LOOK_MS).unref()
  return () => {
    stop()
    clearInterval(timer)
    if (waiting !== null) clearTimeout(waiting)
  }
}

/** A store that can't be looked at for a moment (or any more) is no reason to stop: that it can't is a change too. */
const seen = (app: App): string => {
  try {
    return app.revision()
  } catch {
    return ''
  }
}
