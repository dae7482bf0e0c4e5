import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as strata from '../../src/index.ts'
import { temporary } from '../contract/temporary.ts'
import { ROOT, sample } from './sandbox.ts'
import type { Content } from './tree.ts'
import { putAll } from './tree.ts'

/** The library as an application gets it: built, with its workers beside it. */

type Library = typeof strata
export type App = InstanceType<Library['App']>

// The declarations are those of the sources it was built from.
export const library = (await import(pathToFileURL(join(ROOT, 'dist/index.js')).href)) as Library

export const NETMONITOR = join(ROOT, 'dist/netmonitor.js')
export type Log = { time: string; level: string; step: string | null; file: string | null; message: string }

/** An application on a store of its own. */
export const application = async (content: Content = sample(2), migrations = NETMONITOR, dir = temporary()) => {
  const [store, data] = [join(dir, 'store'), join(dir, 'data')]
  putAll(data, content)
  const logged: Log[] = []
  const open = (module = migrations): Promise<App> =>
    library.App.open({ store, migrations: module, app: 'test', appVersion: '1.2.3', log: (entry) => logged.push(entry) })
  return { dir, store, data, logged, open, app: await open() }
}

/** The code and the whole of what a promise was rejected with. */
export const refusal = async (promise: Promise<unknown>) => {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  )
  if (!library.isStrataError(error)) throw new Error(`not refused with a StrataError: ${String(error)}`)
  return error
}
