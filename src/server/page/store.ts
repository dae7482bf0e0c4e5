import { call, failureOf } from './api.ts'
import type { Event, Failure, History, Overview, Progress, Status } from './types.ts'

/** What the page knows. It is read again whenever the server says that something has changed. */
export type Known = {
  readonly overview: Overview
  readonly status: Status
  readonly events: readonly Event[]
  readonly hasMore: boolean
}

export type Model = {
  known: Known | null
  failure: Failure | null
  progress: Progress | null
  isConnected: boolean
}

const EVENTS = 1000

/** All of it, at one head: what changes in between is told of, and read again. */
const readAll = async (): Promise<Known> => {
  const [overview, status, history] = await Promise.all([
    call<Overview>('Overview'),
    call<Status>('CheckMigrationsNeeded'),
    call<History>('History', { limit: EVENTS }),
  ])
  return { overview, status, events: history.events, hasMore: history.more }
}

/** A change that rests on what is shown: if the store has another head by now, nothing happens. */
export const change = <T>({ overview }: Known, method: string, params: object = {}): Promise<T> =>
  call<T>(method, { ...params, expectedHead: overview.head })

/** Reads again, several wishes at once as one. */
export const refresher = (model: Model, render: () => void): (() => void) => {
  const state = { running: false, again: false }
  const once = async (): Promise<void> => {
    try {
      model.known = await readAll()
      model.failure = null
    } catch (error) {
      model.failure = failureOf(error)
    }
    render()
  }
  const run = async (): Promise<void> => {
    state.running = true
    while (state.again) {
      state.again = false
      await once()
    }
    state.running = false
  }
  return () => {
    state.again = true
    if (!state.running) void run()
  }
}
