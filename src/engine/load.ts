import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { checkChain } from '../core/chain-checks.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError, messageOf } from '../core/errors.ts'
import { nodeFsPort } from '../storage/fs.ts'
import { broughtDataset, loadModule } from './modules.ts'

const isDataset = (value: unknown): value is Dataset =>
  typeof value === 'object' && value !== null && 'name' in value && 'chain' in value && 'ignore' in value

const INDEX = ['index.mjs', 'index.js']

/** The module's file: of a directory, its index. */
export const moduleFile = (module: string): string => {
  const path = module.startsWith('file:') ? fileURLToPath(module) : resolve(module)
  if (nodeFsPort.lstat(path)?.isDirectory() !== true) return path
  const index = INDEX.map((name) => join(path, name)).find((file) => nodeFsPort.lstat(file) !== undefined)
  if (index !== undefined) return index
  throw new StrataError('BAD_CHAIN', `the migrations folder ${module} has no ${INDEX.join(' or ')}`, {
    data: { module },
    hint: 'Give the path of a JavaScript module that exports a dataset as default, or of a folder with such an index.',
  })
}

/** What the chain itself said, also where the module has another copy of this library. */
const own = (error: unknown): StrataError | undefined => {
  if (error instanceof StrataError) return error
  if (!(error instanceof Error) || error.name !== 'StrataError' || !('code' in error) || !('data' in error) || !('hint' in error))
    return undefined
  // Its `toJSON` has the same members in every version.
  const { code, data, hint } = error as StrataError
  return new StrataError(code, error.message, { data, hint })
}

/** Loads the dataset that a module exports as `default`. Migrations are loaded by path, so that workers can load them too. */
export const loadDataset = async (module: string): Promise<Dataset> => {
  const file = moduleFile(module)
  const brought = await broughtDataset(file)
  if (brought !== undefined) return brought
  const url = pathToFileURL(file).href
  let exports: Record<string, unknown>
  try {
    exports = await loadModule(url)
  } catch (error) {
    const said = own(error)
    throw new StrataError(said?.code ?? 'BAD_CHAIN', `the migrations module ${module} cannot be loaded: ${messageOf(error)}`, {
      data: { ...said?.data, module },
      hint: said?.hint ?? 'Give the path of a JavaScript module that exports a dataset as default.',
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
