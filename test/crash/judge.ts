import { createHash } from 'node:crypto'
import { checkpoint } from '../../src/engine/checkpoint.ts'
import { recover } from '../../src/engine/recover.ts'
import { openSession } from '../../src/engine/session.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { GitJudge } from './git-judge.ts'
import type { Place, Scenario } from './scenarios.ts'
import { contextAt, writing } from './scenarios.ts'
import type { Tree } from './tree.ts'
import { below, differing, filesOf, readTree } from './tree.ts'

/** The independent judge of the crash tests: CURRENT, bytes and stock git; no code of the store but to start it. */

/** What an application would find: CURRENT and the files of the directory it names. */
export type Active = { readonly snapshot: string; readonly content: Tree } | null

/** What a command may leave behind. */
export type Expected = {
  readonly scenario: Scenario
  /** What was active before, and as it was after each edit that the application made meanwhile. */
  readonly old: readonly Active[]
  readonly after: Active
  /** The commits that branches led to before. */
  readonly commits: ReadonlySet<string>
}

export type Judged = {
  readonly expected: Expected
  readonly isAcknowledged: boolean
  /** What a recovery that has ended made active: it stays so. */
  readonly settled?: Active
}

export const activeIn = (store: Tree): Active => {
  const bytes = store.get('CURRENT')
  if (!(bytes instanceof Buffer)) return null
  const { snapshot, directory } = JSON.parse(bytes.toString('utf8')) as { snapshot: string; directory: string }
  if (!store.has(directory)) throw new Error(`${directory} is not there`)
  return { snapshot, content: filesOf(below(store, directory)) }
}

const isSame = (a: Active, b: Active): boolean => (a === null || b === null ? a === b : differing(a.content, b.content).length === 0)

const PACK_TRAILER = 20

/** git never has an index without its pack: whoever reads the index takes the objects for stored. */
const packProblems = (store: Tree): string[] =>
  [...store].flatMap(([path, index]) => {
    if (!/^repo\.git\/objects\/pack\/.*\.idx$/.test(path) || index === null) return []
    const pack = store.get(path.replace(/idx$/, 'pack'))
    if (!(pack instanceof Buffer)) return ['there is an index without its pack']
    const trailer = pack.subarray(pack.length - PACK_TRAILER)
    const isWhole = createHash('sha1')
      .update(pack.subarray(0, pack.length - PACK_TRAILER))
      .digest()
      .equals(trailer)
    return isWhole && index.includes(trailer) ? [] : ['a pack that has an index is not whole']
  })

/** An application in another language opens CURRENT before anything recovers: what it finds is whole, too. */
export const imageProblems = ({ old, after }: Expected, store: Tree): string[] => {
  try {
    const now = activeIn(store)
    const isKnown = [...old, after].some((side) => side !== null && isSame(now, side)) || (now === null && old.includes(null))
    return [...(isKnown ? [] : ['CURRENT names a directory that is neither the old nor the new one']), ...packProblems(store)]
  } catch (error) {
    return [`CURRENT cannot be used: ${String(error)}`]
  }
}

/** Opens the store as the next start would; returns what recovery says it did. */
export const reopen = async (scenario: Scenario, place: Place, fs: FsPort = nodeFsPort): Promise<string[]> => {
  // The power may have failed before there was a store.
  if (fs.lstat(place.store) === undefined) return []
  const context = contextAt(place, fs)
  if (scenario.reopen !== undefined) return scenario.reopen(context)
  const session = await openSession(context)
  try {
    return recover(session)
  } finally {
    await session.close()
  }
}

/** What a store says of itself after recovery, held against what it may say. */
const contentProblems = ({ expected, isAcknowledged, settled }: Judged, store: Tree): string[] => {
  const { old, after } = expected
  const now = activeIn(store)
  const wrong: string[] = []
  if (![...old, after].some((side) => isSame(now, side))) wrong.push('the active snapshot is neither the old nor the new one')
  if (isAcknowledged && !isSame(now, after)) wrong.push('acknowledged work is gone')
  if (isAcknowledged && now?.snapshot !== after?.snapshot) wrong.push('another snapshot than the acknowledged one is active')
  if (settled !== undefined && (now?.snapshot !== settled?.snapshot || !isSame(now, settled)))
    wrong.push('another snapshot is active than the one that recovery had chosen')
  const before = old[0] ?? null
  if (before !== null) {
    const kept = filesOf(below(store, `snapshots/${before.snapshot}`))
    // A command that activates nothing may change what is active: `forget` takes a file out of it.
    const may = after?.snapshot === before.snapshot ? [...old, after] : old
    if (!may.some((side) => side !== null && differing(side.content, kept).length === 0))
      wrong.push('the snapshot before it is no longer what it was')
  }
  if (isAcknowledged) wrong.push(...(expected.scenario.acknowledged?.(store) ?? []))
  return wrong
}

const headOf = (store: Tree): string => store.get('repo.git/HEAD')?.toString('utf8') ?? ''

/** What stock git says: nothing is damaged, nothing lost, and what was acknowledged or left is in it, byte for byte. */
const gitProblems = ({ expected, isAcknowledged }: Judged, dir: string, store: Tree, git: GitJudge): string[] => {
  const now = activeIn(store)
  if (now === null) return []
  const { problems, branches, commits } = git.facts(dir, store)
  if (problems !== '') return [`git fsck: ${problems}`]
  const wrong: string[] = []
  if (expected.scenario.drops !== true && [...expected.commits].some((commit) => !commits.has(commit)))
    wrong.push('a commit is lost that a branch led to')
  if (headOf(store) !== `ref: refs/heads/${now.snapshot}\n`) wrong.push('HEAD is not the active snapshot')
  const holds = (snapshot: string, content: Tree): boolean => {
    const commit = branches.get(`refs/heads/${snapshot}`)
    return commit !== undefined && differing(git.files(dir, commit), content).length === 0
  }
  if (isAcknowledged && !holds(now.snapshot, now.content)) wrong.push('the acknowledged files are not what stock git has')
  const before = expected.old[0] ?? null
  const left = before === null || before.snapshot === now.snapshot ? undefined : filesOf(below(store, `snapshots/${before.snapshot}`))
  if (before !== null && left !== undefined && !holds(before.snapshot, left))
    wrong.push('an edit in the directory that was left is not in the history')
  return wrong
}

/** The next command works, and git then has what the active directory holds. */
const goOn = async ({ expected }: Judged, place: Place, git: GitJudge): Promise<string[]> => {
  const dir = place.store
  if (activeIn(readTree(dir)) === null) await expected.scenario.run(place, nodeFsPort)
  else await writing(contextAt(place), (session) => checkpoint(session, session.state.active ?? '', 'after the cut'))
  const store = readTree(dir)
  const now = activeIn(store)
  const { problems, branches } = git.facts(dir, store)
  if (problems !== '') return [`git fsck after the next command: ${problems}`]
  const commit = branches.get(`refs/heads/${now?.snapshot ?? ''}`)
  const isThere = now !== null && commit !== undefined && differing(git.files(dir, commit), now.content).length === 0
  return isThere ? [] : ['after the next command, git does not have the files']
}

/** Judges a store that was recovered once: what it holds, that a second recovery changes no byte, and that work goes on. */
export const recoveredProblems = async (judged: Judged, place: Place, git: GitJudge): Promise<string[]> => {
  const { scenario } = judged.expected
  const store = readTree(place.store)
  const later = (place.moment ?? 0) + 1
  try {
    const wrong = [...contentProblems(judged, store), ...gitProblems(judged, place.store, store, git)]
    const again = await reopen(scenario, { ...place, moment: later })
    const changed = differing(store, readTree(place.store))
    if (again.length > 0) wrong.push(`a second recovery did: ${again.join('; ')}`)
    if (changed.length > 0) wrong.push(`a second recovery changed ${changed.join(', ')}`)
    return wrong.length > 0 ? wrong : await goOn(judged, { ...place, moment: later + 1 }, git)
  } catch (error) {
    return [`the recovered store cannot be used: ${String(error)}`]
  }
}

/* ---- the same of a directory, for a command that ended in an error ---- */

export type Sides = { readonly before: Active; readonly after: Active }

export const same = (a: Tree, b: Tree): boolean => differing(a, b).length === 0
export const activeOf = (store: string): Active => activeIn(readTree(store))

const expectedOf = ({ before, after }: Sides): Expected => ({ scenario: NO_COMMAND, old: [before], after, commits: new Set() })
const NO_COMMAND: Scenario = { name: 'a command', before: () => Promise.resolve(), run: () => Promise.resolve() }

export const atOnce = (sides: Sides, store: string): string[] => imageProblems(expectedOf(sides), readTree(store))

/** Opens the store as the next start would, twice, and says what is wrong with what it finds; an empty list is right. */
export const afterRecovery = async (
  sides: Sides,
  store: string,
  acknowledged: 'this snapshot' | 'this content' | 'nothing',
): Promise<string[]> => {
  const place = { store, original: '' }
  try {
    await reopen(NO_COMMAND, place)
    const tree = readTree(store)
    const now = activeIn(tree)
    // An error may be followed by a snapshot with the same content and another name.
    const after = acknowledged === 'this content' && isSame(now, sides.after) ? now : sides.after
    const judged = { expected: expectedOf({ ...sides, after }), isAcknowledged: acknowledged !== 'nothing' }
    const wrong = contentProblems(judged, tree)
    const again = await reopen(NO_COMMAND, place)
    if (again.length > 0) wrong.push(`a second recovery did: ${again.join('; ')}`)
    const { problems } = now === null ? { problems: '' } : new GitJudge().facts(store, tree)
    return problems === '' ? wrong : [...wrong, `git fsck: ${problems}`]
  } catch (error) {
    return [`recovery failed: ${String(error)}`]
  }
}
