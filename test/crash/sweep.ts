import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { GitJudge } from './git-judge.ts'
import type { Active, Expected, Judged } from './judge.ts'
import { activeIn, imageProblems, recoveredProblems, reopen } from './judge.ts'
import type { KillPoint } from './ports.ts'
import { isKilled, killedAfter } from './ports.ts'
import type { Meanwhile, Place, Scenario } from './scenarios.ts'
import { makeOriginal } from './scenarios.ts'
import { Recorder } from './simulator.ts'
import type { State } from './states.ts'
import { Imager, randomFrom, statesOf } from './states.ts'
import type { Tree } from './tree.ts'
import { digestOf, differing, readTree, writeTree } from './tree.ts'

/** Records a command, cuts it at every call, and judges what is left; and the same for the recovery of what is left. */

export const makeScratch = (): string => nodeFs.mkdtempSync(join(nodeFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'strata-crash-'))

export type Tally = {
  states: number
  images: number
  compoundStates: number
  compoundImages: number
  recoveries: number
  kills: number
  repositories: number
  readonly violations: string[]
}
export const emptyTally = (): Tally => ({
  states: 0,
  images: 0,
  compoundStates: 0,
  compoundImages: 0,
  recoveries: 0,
  kills: 0,
  repositories: 0,
  violations: [],
})

export type Effort = {
  /** Random combinations at each cut, besides the systematic ones. */
  readonly extra: number
  /** At most so many states, spread evenly. */
  readonly states: number
  /** How many recoveries are cut in turn, spread evenly, and at most so many states of each. */
  readonly recoveries: number
  readonly statesOfRecovery: number
  readonly seed: number
}

type Interesting = { readonly image: Tree; readonly judged: Judged }
type Cut = { readonly recorder: Recorder; readonly judgedAt: (isDone: boolean) => Judged; readonly where: string }

const STORE = 'store'
const ENOUGH = 5
/** Moments: when a cut command is recovered, and when that recovery, cut in turn, is. */
const [RECOVERED, RECOVERED_AGAIN] = [1, 11]

export class Sweep {
  readonly tally = emptyTally()
  readonly #dir: string
  readonly #original: string
  readonly #disk: string
  readonly #git = new GitJudge()
  readonly #verdicts = new Map<string, readonly string[]>()
  /** What the disk that states are written to holds now, if that is known. */
  #now: Tree | undefined

  constructor(scratch: string) {
    this.#dir = nodeFs.mkdtempSync(join(scratch, 'sweep-'))
    this.#original = join(this.#dir, 'original')
    this.#disk = join(this.#dir, 'disk', STORE)
    nodeFs.mkdirSync(join(this.#dir, 'disk'))
    makeOriginal(this.#original)
  }

  /** Cuts a command at every call, and then some of the recoveries of what is left. */
  async run(scenario: Scenario, effort: Effort, plant: (fs: FsPort) => FsPort = (fs) => fs): Promise<Tally> {
    const { recorder, expected } = await this.#record(scenario, plant)
    const judgedAt = (isDone: boolean): Judged => ({ expected, isAcknowledged: isDone })
    const { interesting, known } = await this.#cut({ recorder, judgedAt, where: scenario.name }, effort)
    for (const { image, judged } of some(interesting, effort.recoveries)) {
      if (this.isEnough) break
      await this.#cutRecovery(image, judged, effort, known)
    }
    this.tally.repositories = this.#git.repositories
    return this.tally
  }

  /**
   * The process is killed; nothing is lost by that, but nothing more is flushed. The next start recovers, and then the power
   * fails. Returns false when the command never comes to that point.
   */
  async runKilled(scenario: Scenario, point: KillPoint, effort: Effort): Promise<boolean> {
    const where = `${scenario.name}, killed after ${point}`
    let wasKilled = (): boolean => false
    const kill = (fs: FsPort): FsPort => {
      const killed = killedAfter(fs, point)
      wasKilled = killed.wasKilled
      return killed.port
    }
    try {
      const { recorder, expected } = await this.#record(scenario, (fs) => fs, kill)
      if (!wasKilled()) return false
      const judgedAt = (isDone: boolean): Judged => ({ expected, isAcknowledged: false, ...(isDone ? { settled: expected.after } : {}) })
      await this.#cut({ recorder, judgedAt, where }, effort)
    } catch (error) {
      this.tally.violations.push(`${where}: the next start failed: ${String(error)}`)
    }
    this.tally.kills += 1
    this.tally.repositories = this.#git.repositories
    return true
  }

  close(): void {
    nodeFs.rmSync(this.#dir, { recursive: true, force: true })
  }

  get isEnough(): boolean {
    return this.tally.violations.length >= ENOUGH
  }

  /** Judges what may be left of one recording. Returns the images whose recovery had something to do. */
  async #cut({ recorder, judgedAt, where }: Cut, effort: Effort): Promise<{ interesting: Interesting[]; known: Set<string> }> {
    const acknowledgedAt = recorder.effects.findIndex(({ kind }) => kind === 'ack')
    const imager = new Imager(recorder)
    const interesting: Interesting[] = []
    const known = new Set<string>()
    for (const state of someStates(statesOf(recorder.effects, randomFrom(effort.seed), effort.extra), effort.states)) {
      if (this.isEnough) break
      this.tally.states += 1
      const image = imager.image(state, STORE)
      const isDone = state.at > acknowledgedAt
      const key = `${digestOf(image)} ${isDone}`
      if (known.has(key)) continue
      known.add(key)
      this.tally.images += 1
      const judged = judgedAt(isDone)
      const { wrong, isChanged } = await this.#judge(image, judged, RECOVERED)
      this.#note(wrong, where, state, recorder)
      if (isChanged) interesting.push({ image, judged })
    }
    return { interesting, known }
  }

  #note(wrong: readonly string[], where: string, { at, missing, torn }: State, recorder: Recorder): void {
    const tear = torn === null ? '' : `, ${torn.as} for ${torn.write}`
    for (const problem of wrong)
      this.tally.violations.push(
        `${where}: ${problem} (cut after ${at} of ${recorder.effects.length} calls, without ${missing.join()}${tear})`,
      )
  }

  async #record(
    scenario: Scenario,
    plant: (fs: FsPort) => FsPort,
    kill = (fs: FsPort): FsPort => fs,
  ): Promise<{ recorder: Recorder; expected: Expected }> {
    const disk = nodeFs.mkdtempSync(join(this.#dir, 'recorded-'))
    const place = { store: join(disk, STORE), original: this.#original }
    await scenario.before(place)
    const before = readTree(place.store)
    const old: Active[] = [activeIn(before)]
    const commits = before.has('repo.git') ? this.#git.facts(place.store, before).commits : new Set<string>()
    const recorder = new Recorder(nodeFsPort, disk)
    const fs = plant(recorder.fs)
    const meanwhile: Meanwhile = (path, change) => {
      recorder.edit(path, Buffer.from(change(nodeFs.readFileSync(path, 'utf8'))))
      old.push(activeIn(readTree(place.store)))
    }
    try {
      await scenario.run(place, kill(fs), meanwhile)
    } catch (error) {
      if (!isKilled(error)) throw error
      await reopen(scenario, place, fs)
    }
    recorder.ack()
    const expected = { scenario, old, after: activeIn(readTree(place.store)), commits }
    nodeFs.rmSync(disk, { recursive: true })
    return { recorder, expected }
  }

  #at(moment: number): Place {
    return { store: this.#disk, original: this.#original, moment }
  }

  #write(image: Tree): void {
    writeTree(this.#disk, image, this.#now)
    this.#now = undefined
  }

  /** Judges one image, as it is and after recovery. `isChanged`: recovery had something to do. */
  async #judge(image: Tree, judged: Judged, moment: number): Promise<{ wrong: readonly string[]; isChanged: boolean }> {
    const found = imageProblems(judged.expected, image)
    this.#write(image)
    try {
      await reopen(judged.expected.scenario, this.#at(moment))
    } catch (error) {
      return { wrong: [...found, `recovery failed: ${String(error)}`], isChanged: false }
    }
    const recovered = readTree(this.#disk)
    this.#now = recovered
    const isChanged = differing(image, recovered).some((path) => path !== 'reserve')
    const settled = judged.settled === undefined ? '' : (judged.settled?.snapshot ?? 'none')
    const key = `${judged.expected.scenario.name} ${digestOf(recovered)} ${judged.isAcknowledged} ${settled}`
    const known = this.#verdicts.get(key)
    if (known !== undefined) return { wrong: [...found, ...known], isChanged }
    this.#now = undefined
    const wrong = await recoveredProblems(judged, this.#at(moment + 1), this.#git)
    this.#verdicts.set(key, wrong)
    return { wrong: [...found, ...wrong], isChanged }
  }

  async #cutRecovery(image: Tree, judged: Judged, effort: Effort, known: Set<string>): Promise<void> {
    const { scenario } = judged.expected
    this.tally.recoveries += 1
    writeTree(this.#disk, image, this.#now)
    const recorder = new Recorder(nodeFsPort, join(this.#dir, 'disk'))
    await reopen(scenario, this.#at(RECOVERED), recorder.fs)
    recorder.ack()
    this.#now = readTree(this.#disk)
    const settled = activeIn(this.#now)
    const acknowledgedAt = recorder.effects.length - 1
    const imager = new Imager(recorder)
    const states = statesOf(recorder.effects, randomFrom(effort.seed + this.tally.recoveries), effort.extra)
    for (const state of someStates(states, effort.statesOfRecovery)) {
      if (this.isEnough) return
      this.tally.compoundStates += 1
      const cut = imager.image(state, STORE)
      const isSettled = state.at > acknowledgedAt
      const key = `${digestOf(cut)} ${judged.isAcknowledged} ${isSettled ? (settled?.snapshot ?? 'none') : ''}`
      if (known.has(key)) continue
      known.add(key)
      this.tally.compoundImages += 1
      const { wrong } = await this.#judge(cut, isSettled ? { ...judged, settled } : judged, RECOVERED_AGAIN)
      this.#note(wrong, `the recovery of ${scenario.name}`, state, recorder)
    }
  }
}

/** At most `most` of them, spread evenly. */
const some = <T>(all: readonly T[], most: number): T[] =>
  all.length <= most
    ? [...all]
    : Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]).flatMap((one) => (one === undefined ? [] : [one]))

/** At most about `most` of them, and those after the last call: there alone is everything promised. */
const someStates = (all: Iterable<State>, most: number): State[] => {
  const list = [...all]
  const end = list.at(-1)?.at ?? 0
  const [during, after] = [list.filter(({ at }) => at < end), list.filter(({ at }) => at === end)]
  return [...some(during, Math.max(0, most - after.length)), ...some(after, most)]
}
