/** Names that another system would refuse, change, or take for one another. Pure: what the paths say, not what a disk does. */

/** Device names of Windows, with or without an extension; it also takes the superscript digits for digits. */
const RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i
const TRAILING = /[. ]$/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[<>:"|?*\\\u0000-\u001f]/

export type Unportable = {
  readonly code: 'NAME_RESERVED' | 'NAME_TRAILING' | 'NAME_CHARACTERS' | 'NAMES_COLLIDE'
  readonly paths: readonly string[]
}

/** How a file system sees a name that regards neither case nor Unicode form: APFS, NTFS. */
const folded = (path: string): string => path.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC')

const anyName = (path: string, pattern: RegExp): boolean => path.split('/').some((name) => pattern.test(name))

/** The path and each folder it is in, the outermost first. */
const prefixes = (path: string): string[] => {
  const names = path.split('/')
  return names.map((_, i) => names.slice(0, i + 1).join('/'))
}

/** Paths that fold to the same as another one, or lie in folders that do. */
const colliding = (paths: readonly string[]): string[] => {
  const first = new Map<string, string>()
  const found = new Set<string>()
  for (const path of paths)
    for (const at of prefixes(path)) {
      const key = folded(at)
      const known = first.get(key)
      if (known === undefined) first.set(key, at)
      else if (known !== at) found.add(at)
    }
  return [...found]
}

/** What Windows or macOS would not keep apart or not take, each kind with its paths; kinds without any are left out. */
export const unportable = (paths: readonly string[]): Unportable[] => {
  const all: Unportable[] = [
    { code: 'NAME_RESERVED', paths: paths.filter((path) => anyName(path, RESERVED)) },
    { code: 'NAME_TRAILING', paths: paths.filter((path) => anyName(path, TRAILING)) },
    { code: 'NAME_CHARACTERS', paths: paths.filter((path) => anyName(path, FORBIDDEN)) },
    { code: 'NAMES_COLLIDE', paths: colliding(paths) },
  ]
  return all.filter((kind) => kind.paths.length > 0)
}

export type Limits = { readonly path: number; readonly name: number }

/** PATH_MAX without its NUL. Node gives Windows the long form of a path. */
export const limitsOf = (platform: string): Limits => ({
  path: platform === 'win32' ? 32_767 : platform === 'linux' ? 4095 : 1023,
  name: 255,
})

const bytes = (text: string): number => Buffer.byteLength(text)

/** The paths below `root` that the system would not take: as a whole, or for one of their names. */
export const tooLong = (
  root: string,
  paths: readonly string[],
  limits: Limits,
): { paths: readonly string[]; names: readonly string[] } => ({
  paths: paths.filter((path) => bytes(root) + 1 + bytes(path) > limits.path),
  names: paths.filter((path) => path.split('/').some((name) => bytes(name) > limits.name)),
})
