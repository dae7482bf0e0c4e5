import { chain, dataset, summaryOf } from '../src/index.ts'
import { m1_1 } from './1.1.0-add-endpoint-metadata.ts'
import { m1_2 } from './1.2.0-change-timestamp-format.ts'
import { m2_0 } from './2.0.0-restructure-configuration.ts'
import { m2_1 } from './2.1.0-add-aggregation-data.ts'
import { initialConfig } from './initial.ts'
import { v1_0 } from './schemas.ts'

export { sampleFiles } from './sample.ts'

type Where = {
  readonly platform: string
  readonly home: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** v0.2 keeps its data in the user's configuration directory; v0.1 kept it beside the program. Users have both. */
const locations = ({ platform, home, cwd, env }: Where): string[] => {
  if (platform === 'win32') return [`${env.APPDATA ?? `${home}\\AppData\\Roaming`}\\NetMonitor`, cwd]
  if (platform === 'darwin') return [`${home}/Library/Application Support/NetMonitor`, cwd]
  return [`${env.XDG_CONFIG_HOME ?? `${home}/.config`}/NetMonitor`, cwd]
}

/** What the application wrote before it knew of versions: a configuration with regions, and days that are bare arrays. */
const detect = ({ path, head }: { path: string; head: string }): string | null => {
  if (path === 'config.json') return /"(regions|settings)"\s*:/.test(head) ? '1.0.0' : null
  return /^data\/\d{4}-\d\d-\d\d\.json$/.test(path) && /^\uFEFF?\s*\[/.test(head) ? '1.0.0' : null
}

/** NetMonitor's data, through all its versions. */
const netmonitor = dataset({
  name: 'NetMonitor',
  chain: chain(v1_0).add(m1_1).add(m1_2).add(m2_0).add(m2_1),
  ignore: ['logs/**', 'store/**'],
  layout: 'go',
  detect,
  locations,
  initial: () => ({ 'config.json': initialConfig }),
})

export default netmonitor

/** For the start-up path: what `status` says without loading the migrations. */
export const summary = summaryOf(netmonitor)
