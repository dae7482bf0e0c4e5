// A peer: the step to 1.1.0 as a careful evening's script does it: copy the folder, then transform each file in place. No backup that could be
// damaged half-way is checked, nothing is validated, nothing is flushed.
//   node naive.mjs DATA COPY
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformConfig, transformDay } from './transform.mjs'

const [data, copy] = process.argv.slice(2)
cpSync(data, copy, { recursive: true })
const config = JSON.parse(readFileSync(join(data, 'config.json'), 'utf8'))
for (const name of readdirSync(join(data, 'data'))) {
  const path = join(data, 'data', name)
  writeFileSync(path, JSON.stringify(transformDay(JSON.parse(readFileSync(path, 'utf8')), name.slice(0, 10), config), null, 2))
}
writeFileSync(join(data, 'config.json'), JSON.stringify(transformConfig(config), null, 2))
