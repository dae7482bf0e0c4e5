/** What an application in JavaScript needs before it needs anything else of Strata: `strata-store/open` loads no package. */
export { StrataError, isStrataError } from './core/errors.ts'
export type { OpenedStore } from './engine/read.ts'
export { openStore } from './engine/read.ts'
