import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Tests that start the real command need dist/ as the sources say. Costs 0.1 s when it is. */
export default (): void => {
  execFileSync(process.execPath, [join(import.meta.dirname, '../../build.mjs')], { stdio: 'inherit' })
}
