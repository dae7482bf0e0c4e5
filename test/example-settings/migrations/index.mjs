import { chain, dataset } from 'strata-store'
import { addATheme } from './1.1.0-add-a-theme.mjs'
import { putTheWindowTogether } from './2.0.0-put-the-window-together.mjs'
import { countMilliseconds } from './2.1.0-count-milliseconds.mjs'
import { makePreviews } from './3.0.0-make-previews.mjs'
import { v1 } from './schemas.mjs'

const VERSION = /^\uFEFF?\s*\{[^{}]*?"version"\s*:\s*"(\d+\.\d+\.\d+)"/

/** Where Electron's app.getPath('userData') is. */
const userData = ({ platform, home, env }) => {
  if (platform === 'win32') return `${env.APPDATA ?? `${home}\\AppData\\Roaming`}\\Scribble`
  return platform === 'darwin' ? `${home}/Library/Application Support/Scribble` : `${env.XDG_CONFIG_HOME ?? `${home}/.config`}/Scribble`
}

export default dataset({
  name: 'Scribble',
  chain: chain(v1).add(addATheme).add(putTheWindowTogether).add(countMilliseconds).add(makePreviews),
  ignore: ['Cache/**', 'GPUCache/**', '*.log'],
  // Files without a version are those of the first release; previews have none, and never change.
  detect: ({ path, head }) => VERSION.exec(head)?.[1] ?? (path.startsWith('previews/') ? null : '1.0.0'),
  locations: (where) => [userData(where)],
})
