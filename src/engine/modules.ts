import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { WorkerOptions } from 'node:worker_threads'
import type { Dataset } from '../core/dataset.ts'

/** How a program gets the modules that it doesn't import by name. `datasets` are those it brings along, by the path that stands for each. */
export type Modules = {
  readonly worker: (options: WorkerOptions) => Worker
  readonly load: (url: string) => Promise<Record<string, unknown>>
  readonly datasets: ReadonlyMap<string, () => Promise<Dataset>>
  /** Where the program itself lies, which STRATA_BUILD identifies: a folder, or the one file. */
  readonly own: () => string
}

// From the sources the built worker is used; in the build it lies beside this file's bundle.
const workerUrl = (): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL('../../dist/worker.js', import.meta.url)
    : new URL(import.meta.url.includes('/chunks/') ? '../worker.js' : './worker.js', import.meta.url)

const buildFolder = (): string => {
  const up = import.meta.url.endsWith('.ts') ? '../../dist' : import.meta.url.includes('/chunks/') ? '..' : '.'
  return fileURLToPath(new URL(up, import.meta.url)).replace(/[\\/]$/, '')
}

let modules: Modules = {
  worker: (options) => new Worker(workerUrl(), options),
  load: (url) => import(url) as Promise<Record<string, unknown>>,
  datasets: new Map(),
  own: buildFolder,
}

/** For a program in one file, which has no others beside it: called once, before anything else. */
export const bringAlong = (brought: Modules): void => {
  modules = brought
}

export const ownPlace = (): string => modules.own()
export const startWorker = (options: WorkerOptions): Worker => modules.worker(options)
export const loadModule = (url: string): Promise<Record<string, unknown>> => modules.load(url)

/** The dataset of that path, if the program brings it along. */
export const broughtDataset = async (path: string): Promise<Dataset | undefined> => modules.datasets.get(path)?.()
