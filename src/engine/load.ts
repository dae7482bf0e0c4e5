import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkChain } from '../core/chain-checks.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError, messageOf } from '../core/errors.ts'

const isDataset = (value: unknown): value is Dataset =>
  typeof value === 'object' && value !== null && 'name' in value && 'chain' in value && 'ignore' in value

/** Loads the dataset that a module exports as `default`. Migrations are loaded by path, so that workers can load them too. */
export const loadDataset = async (module: string): Promise<Dataset> => {
  const url = module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href
  let exports: Record<string, unknown>
  try {
    exports = (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw new StrataError('BAD_CHAIN', `the migrations module ${module} cannot be loaded: ${messageOf(error)}`, {
      data: { module },
      hint: 'Give the path of a JavaScript module that exports a dataset as default.',
      cause: error,
    })
  }
  if (!isDataset(exports.default))
    throw new StrataError('BAD_CHAIN', `${module} exports no dataset as default`, {
      data: { module },
      hint: "export default dataset({ name: 'My app', chain: chain(v1).add(…) })",
    })
  checkChain(exports.default.chain)
  return exports.default
}
