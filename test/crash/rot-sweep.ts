import { execFileSync } from 'node:child_process'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { planRepair, repairStore } from '../../src/engine/repair.ts'
import { verifyStore } from '../../src/engine/verify.ts'
import type { Seen } from './rot.ts'
import { at, copyStore, filesOf, forgetTimes, put, seen } from './rot.ts'

/** Damages a store in one place after another, and holds `verify` and `repair` against it. */

/** The bytes of a file that are tried: all of them with 0. */
const positions = (size: number, most: number): number[] =>
  most === 0 || size <= most
    ? Array.from({ length: size }, (_, i) => i)
    : Array.from({ length: most }, (_, i) => Math.floor(((i + 0.37) * size) / most))

/** The reserve is room, not data. */
const watched = (store: string): { path: string; size: number }[] => filesOf(store).filter(({ path }) => path !== 'reserve')

type Damage = { readonly what: string; readonly path: string; readonly apply: (file: string) => void }

const flip =
  (offset: number) =>
  (file: string): void => {
    const bytes = nodeFs.readFileSync(file)
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (offset % 8))
    put(file, bytes)
  }

const damages = (store: string, most: number): Damage[] =>
  watched(store).flatMap(({ path, size }): Damage[] => [
    ...positions(size, most).map((offset): Damage => ({ what: `byte ${offset} of ${path}`, path, apply: flip(offset) })),
    {
      what: `half of ${path}`,
      path,
      apply: (file) => {
        put(file, nodeFs.readFileSync(file).subarray(0, size >> 1))
      },
    },
    // That results are remembered is told by nothing else: without them they are worked out anew.
    ...(path.startsWith('memo/') ? [] : [missing(path)]),
  ])

const missing = (path: string): Damage => ({
  what: `${path} missing`,
  path,
  apply: (file) => {
    nodeFs.rmSync(file)
  },
})

const isInDirectory = (path: string): boolean => path.startsWith('snapshots/')

/** How many damages `verify` was shown, and which it did not find. */
export const findAll = async (base: string, scratch: string, most: number): Promise<{ tried: number; missed: string[] }> => {
  const store = copyStore(base, join(scratch, 'found'))
  const all = damages(store, most)
  const missed: string[] = []
  for (const { what, path, apply } of all) {
    const file = join(store, path)
    const before = nodeFs.readFileSync(file)
    apply(file)
    if (isInDirectory(path)) forgetTimes(store)
    const { issues } = await verifyStore(at(store)).catch((error: unknown) => ({ issues: [String(error)] }))
    if (issues.length === 0) missed.push(what)
    if (!nodeFs.existsSync(file)) nodeFs.writeFileSync(file, before)
    put(file, before)
    if (isInDirectory(path)) forgetTimes(store)
  }
  return { tried: all.length, missed }
}

type Loss = 'nothing' | 'events' | 'versions'

/** Every object that a directory, or the journal, holds as well: what the newest commit of each branch leads to. */
const heldElsewhere = (store: string): Set<string> => {
  const git = (...args: string[]): string[] =>
    execFileSync('git', ['-c', 'safe.directory=*', '-C', join(store, 'repo.git'), ...args], { encoding: 'utf8' }).split(/\s+/)
  const branches = git('for-each-ref', '--format=%(objectname)', 'refs/heads').filter((oid) => oid !== '')
  const slices = git('rev-list', '--objects', 'strata/journal')
  const trees = branches.flatMap((commit) => [commit, ...git('rev-parse', `${commit}^{tree}`), ...git('ls-tree', '-r', '-t', commit)])
  return new Set([...slices, ...trees].filter((word) => /^[0-9a-f]{40}$/.test(word)))
}

/** What a whole file takes with it: a pack, versions that no directory holds; a journal, events that nothing else tells of. */
const mayLose = ({ what, path }: Damage): Loss => {
  // The trees of a superseded version are nowhere else.
  if (path.endsWith('.pack')) return 'versions'
  return !what.startsWith('byte') && path.startsWith('journal/') ? 'events' : 'nothing'
}

type Whole = { readonly active: Seen; readonly elsewhere: ReadonlySet<string> }

const heal = async (store: string, { active, elsewhere }: Whole, loss: Loss): Promise<string> => {
  try {
    const { actions } = await planRepair(at(store))
    const { lost } = await repairStore(at(store))
    const after = await verifyStore(at(store))
    if (lost.length > 0 && loss === 'nothing') return `lost ${lost.join('; ')} (planned ${actions.join('; ')})`
    const needless = lost.filter((text) => elsewhere.has(/[0-9a-f]{40}/.exec(text)?.[0] ?? ''))
    if (needless.length > 0) return `gave up what is elsewhere, too: ${needless.join('; ')}`
    if (!after.valid && loss !== 'versions') return `still ${after.issues.map((i) => `${i.file ?? ''}: ${i.message}`).join('; ')}`
    // A copy of the store lies in another folder.
    return JSON.stringify(seen(store).content) === JSON.stringify(active.content) ? '' : 'the active snapshot is another'
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

/** The format's number in CURRENT: a higher one is a newer store, which nobody repairs. */
const isNewer = (trouble: string): boolean => trouble.includes('this store has format')

/** How many damages `repair` was shown, and which it did not heal. One in `step` bytes, and every whole file. */
export const healAll = async (base: string, scratch: string, most: number, step: number): Promise<{ tried: number; wrong: string[] }> => {
  const whole = { active: seen(base), elsewhere: heldElsewhere(base) }
  const wrong: string[] = []
  let tried = 0
  for (const [n, damage] of damages(base, most).entries()) {
    const { what, path, apply } = damage
    // A missing file of a directory may have been removed by the application: it is told, and not brought back.
    if (isInDirectory(path) && what.endsWith('missing')) continue
    if (what.startsWith('byte') && n % step !== 0) continue
    const store = copyStore(base, join(scratch, `heal-${n}`))
    apply(join(store, path))
    if (isInDirectory(path)) forgetTimes(store)
    const trouble = await heal(store, whole, mayLose(damage))
    if (trouble !== '' && !isNewer(trouble)) wrong.push(`${what}: ${trouble}`)
    nodeFs.rmSync(store, { recursive: true, force: true })
    tried += 1
  }
  return { tried, wrong }
}
