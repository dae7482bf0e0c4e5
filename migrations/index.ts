import { chain, dataset, summaryOf } from '../src/index.ts'
import { addEndpointMetadataFields } from './1.1.0-add-endpoint-metadata-fields.ts'
import { changeTimestampFormat } from './1.2.0-change-timestamp-format.ts'
import { restructureConfigurationFormat } from './2.0.0-restructure-configuration-format.ts'
import { addAggregationData } from './2.1.0-add-aggregation-data.ts'
import { compactHistory } from './2.2.0-compact-history.ts'
import { initialFiles } from './initial.ts'
import { v1_0 } from './schemas.ts'

export { sampleFiles } from './sample.ts'

const DAILY_PATH = /^data\/\d{4}-\d{2}-\d{2}\.json$/
const ARRAY = /^\uFEFF?\s*\[/
const OLD_CONFIG = /^\uFEFF?\s*\{[^]*"(?:regions|settings)"\s*:\s*\{/

/** The application never wrote a version: `regions` or `settings` as an object, and days that are bare arrays, are 1.0.0. */
const detect = ({ path, head }: { path: string; head: string }): string | null => {
  const isOld = path === 'config.json' ? OLD_CONFIG.test(head) : DAILY_PATH.test(path) && ARRAY.test(head)
  return isOld ? '1.0.0' : null
}

const DATED = /^(?:data|aggregated)\/(\d{4}-\d{2}-\d{2})(?:\.json|\.msgpack\.gz|-hourly\.json|-daily\.json)$/
/** The application writes today's file, and around midnight still that of the day before. */
const OPEN_DAYS = 2

/** Every file of a day that is over: of all dates but the newest two, in whatever form, and what was worked out of it. */
const closedDays = (paths: readonly string[]): string[] => {
  const dateOf = (path: string): string => DATED.exec(path)?.[1] ?? ''
  const dates = [...new Set(paths.filter((path) => path.startsWith('data/')).map(dateOf))].filter((date) => date !== '').sort()
  const firstOpen = dates.at(-OPEN_DAYS) ?? ''
  return paths.filter((path) => dateOf(path) !== '' && dateOf(path) < firstOpen)
}

type Where = { platform: string; home: string; cwd: string; env: Readonly<Record<string, string | undefined>> }

/** The user's configuration directory, as Go's os.UserConfigDir gives it. */
const userDirectory = ({ platform, home, env }: Where): string => {
  if (platform === 'win32') return `${env.APPDATA ?? `${home}\\AppData\\Roaming`}\\NetMonitor`
  if (platform === 'darwin') return `${home}/Library/Application Support/NetMonitor`
  return `${env.XDG_CONFIG_HOME ?? `${home}/.config`}/NetMonitor`
}

/** NetMonitor's data directory, from its first release on. */
const netmonitor = dataset({
  name: 'NetMonitor',
  chain: chain(v1_0)
    .add(addEndpointMetadataFields)
    .add(changeTimestampFormat)
    .add(restructureConfigurationFormat)
    .add(addAggregationData)
    .add(compactHistory),
  ignore: ['logs/**', 'store/**'],
  layout: 'go',
  detect,
  immutable: closedDays,
  initial: initialFiles,
  // v0.2 moved there, and moved no data: v0.1 kept it beside the program.
  locations: (where) => [userDirectory(where), where.cwd],
})

export default netmonitor

/** For the start-up path: what `status` says without loading the migrations. */
export const summary = summaryOf(netmonitor)
