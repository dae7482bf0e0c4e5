import { messageOf } from '../core/errors.ts'

/**
 * What tells that something may have happened in a folder. A hint is never more than a reason to look: it may be missing, late or
 * there for nothing.
 */
export type Hints = { readonly close: () => Promise<void> }
/** `onEnd`: no more hints will come, and why. */
export type OpenHints = (paths: readonly string[], onHint: () => void, onEnd: (why: string) => void) => Promise<Hints>

/** By chokidar: the system's own notices of changes. It ends where the system has no more watches or handles to give. */
export const chokidarHints: OpenHints = async (paths, onHint, onEnd) => {
  const { watch } = await import('chokidar')
  const watcher = watch([...paths], { ignoreInitial: true, followSymlinks: false, persistent: true })
  watcher.on('all', onHint)
  watcher.on('error', (error) => {
    onEnd(messageOf(error))
  })
  // What happens before it listens everywhere is found by the look that follows.
  await new Promise<void>((resolve) => {
    watcher.once('ready', resolve)
    watcher.once('error', () => {
      resolve()
    })
  })
  return { close: () => watcher.close() }
}
