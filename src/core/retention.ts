import type { State } from './state.ts'
import { activeSnapshot, beforeJob, newestFirst } from './state.ts'

/**
 * What stays and what goes, as one pure function of the state. Directories and history are decided apart: a directory is a copy of
 * what the repository has, so that removing it loses nothing; history that is cut is gone.
 */
export type Retention = {
  /** Directories besides those that are needed: the newest so many … */
  readonly directories: number
  /** … as long as all directories together are at most so many bytes; null: no bound. */
  readonly directoryBytes: number | null
  /** History that is older than so many days is cut; null: it is kept whole. */
  readonly days: number | null
  /** The newest history whose objects, as they are stored, take at most so many bytes is kept; null: no bound. */
  readonly historyBytes: number | null
}

/** A commit that something leads to, and how many bytes of the repository only it and older ones need. */
export type Age = { readonly atMs: number; readonly bytes: number }

/** NetMonitor's releases come every few weeks: two more directories than are needed cost little, and history costs almost nothing. */
export const RETENTION: Retention = { directories: 2, directoryBytes: null, days: null, historyBytes: null }

export type Decision = {
  readonly snapshot: string
  readonly schemaVersion: string
  readonly createdAt: string
  readonly bytes: number
  /** `absent`: it has none. */
  readonly directory: 'keep' | 'remove' | 'absent'
  readonly history: 'keep' | 'remove'
  /** Why it is kept, or why it goes; never empty. */
  readonly reasons: readonly string[]
}

const DAY_MS = 86_400_000

/** Snapshots that no policy removes, and why: without them there is no way back or forward. */
export const neededSnapshots = (state: State): Map<string, string[]> => {
  const needed = new Map<string, string[]>()
  const add = (id: string | null | undefined, reason: string): void => {
    if (id === null || id === undefined || state.snapshots[id] === undefined) return
    needed.set(id, [...(needed.get(id) ?? []), reason])
  }
  const active = activeSnapshot(state)
  add(active?.id, 'active')
  if (active !== undefined) add(beforeJob(state, active), 'before the last job')
  for (const { left, target } of state.undone) {
    add(left, 'redo returns to it')
    add(target, 'redo leaves from it')
  }
  // An application that has not looked at CURRENT since may hold a file of it open.
  add(state.left.at(-1)?.snapshot, 'left last')
  for (const { snapshot } of state.pins) add(snapshot, 'pinned')
  const job = state.jobs.find(({ id }) => id === state.running)
  if (job !== undefined) for (const id of [job.from, ...job.steps.map((step) => step.snapshot)]) add(id, 'in the running job')
  return needed
}

/** From a snapshot to the one it was made of, and so on, up to `last`; nothing when it does not lead there. */
const wayTo = (state: State, from: string | null, last: string): string[] => {
  const way: string[] = []
  for (let at = from; at !== null && !way.includes(at); at = state.snapshots[at]?.from ?? null) {
    way.push(at)
    if (at === last) return way
  }
  return []
}

/** Snapshots whose history no policy cuts off, and why: what is carried back or forward goes by every step between. */
export const neededHistory = (state: State): Map<string, string[]> => {
  const needed = neededSnapshots(state)
  const active = activeSnapshot(state)
  const before = active === undefined ? null : beforeJob(state, active)
  const ways = [
    ...(before === null ? [] : [wayTo(state, state.active, before)]),
    ...state.undone.map(({ left, target }) => wayTo(state, left, target)),
    // What is written late into the directory that was left last is carried on from there.
    ...state.left.slice(-1).flatMap(({ snapshot }) => [wayTo(state, state.active, snapshot), wayTo(state, snapshot, state.active ?? '')]),
  ]
  for (const id of ways.flat()) if (!needed.has(id) && state.snapshots[id] !== undefined) needed.set(id, ['on the way back'])
  return needed
}

/** Which of the directories that are there stay, and why each does or does not. */
const directoryReasons = (
  state: State,
  policy: Retention,
  present: ReadonlySet<string>,
): Map<string, { keep: boolean; reason: string }> => {
  const needed = neededSnapshots(state)
  const found = new Map<string, { keep: boolean; reason: string }>()
  const there = newestFirst(state).filter(({ id }) => present.has(id))
  let bytes = there.filter(({ id }) => needed.has(id)).reduce((sum, s) => sum + s.bytes, 0)
  let others = 0
  const unneeded = policy.directories === 0 ? 'not needed' : `not needed, and not one of the ${policy.directories} newest besides`
  for (const snapshot of there) {
    const why = needed.get(snapshot.id)
    if (why !== undefined) {
      found.set(snapshot.id, { keep: true, reason: why.join(', ') })
      continue
    }
    others += 1
    bytes += snapshot.bytes
    if (others > policy.directories) found.set(snapshot.id, { keep: false, reason: unneeded })
    else if (policy.directoryBytes !== null && bytes > policy.directoryBytes)
      found.set(snapshot.id, { keep: false, reason: `all directories together would be over ${policy.directoryBytes} bytes` })
    else found.set(snapshot.id, { keep: true, reason: `one of the ${policy.directories} newest besides` })
  }
  return found
}

/** What is there besides the state: the snapshots that have a directory, the time, and where the policy bounds its bytes, the history. */
export type Situation = { readonly present: ReadonlySet<string>; readonly nowMs: number; readonly ages: readonly Age[] }

/** `beforeMs`: commits older than that go; null: none do. */
export type Retained = { readonly decisions: readonly Decision[]; readonly beforeMs: number | null }

/** Before this time, history is cut, and why. */
type Cutoff = { readonly beforeMs: number; readonly reason: string }

/** The time of the newest commit that is one too many, and the moment after it. */
const beyond = (bound: number, ages: readonly Age[]): number | undefined => {
  let bytes = 0
  const over = [...ages].sort((a, b) => b.atMs - a.atMs).find((age) => (bytes += age.bytes) > bound)
  return over === undefined ? undefined : over.atMs + 1
}

/** Where the history ends by the policy; null: it is kept whole. */
const cutoff = (policy: Retention, { nowMs, ages }: Situation): Cutoff | null => {
  const { days, historyBytes } = policy
  const old = days === null ? undefined : { beforeMs: nowMs - days * DAY_MS, reason: `made more than ${days} days ago` }
  const at = historyBytes === null ? undefined : beyond(historyBytes, ages)
  const large = at === undefined ? undefined : { beforeMs: at, reason: `the history would be over ${historyBytes ?? 0} bytes` }
  if (old === undefined || large === undefined) return old ?? large ?? null
  return old.beforeMs >= large.beforeMs ? old : large
}

/** What stays and what goes. Pure. */
export const retention = (state: State, policy: Retention, situation: Situation): Retained => {
  const { present } = situation
  const end = cutoff(policy, situation)
  const needed = neededHistory(state)
  const directories = directoryReasons(state, policy, present)
  const decisions = newestFirst(state).map((snapshot): Decision => {
    const { id, schemaVersion, createdAt, bytes } = snapshot
    const isOld = end !== null && Date.parse(createdAt) < end.beforeMs && !needed.has(id)
    const found = directories.get(id)
    const directory = found === undefined ? 'absent' : found.keep && !isOld ? 'keep' : 'remove'
    const reason = isOld ? end.reason : (found?.reason ?? 'in the history')
    return { snapshot: id, schemaVersion, createdAt, bytes, directory, history: isOld ? 'remove' : 'keep', reasons: [reason] }
  })
  return { decisions, beforeMs: end?.beforeMs ?? null }
}
