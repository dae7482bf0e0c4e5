import { appendFileSync, linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Links } from '../../src/engine/links.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { scanDirectory, statFile } from '../../src/storage/scan.ts'
import { temporary } from '../contract/temporary.ts'

test('a file with another name that was written to since is told from one that has only got a third name', () => {
  const dir = temporary()
  const [left, made] = [join(dir, 'left'), join(dir, 'made')]
  mkdirSync(left)
  mkdirSync(made)
  const stat = (path: string) => {
    const found = statFile(nodeFsPort, path)
    if (found === undefined) throw new Error(path)
    return found
  }
  const links = new Links()
  for (const name of ['a', 'b', 'c']) {
    writeFileSync(join(left, name), name)
    const was = stat(join(left, name))
    linkSync(join(left, name), join(made, name))
    links.add([{ was, is: stat(join(made, name)), sha256: name }])
  }
  writeFileSync(join(made, 'd'), 'of its own')
  linkSync(join(left, 'b'), join(dir, 'third'))
  const scan = () => scanDirectory(nodeFsPort, made, () => false)
  expect(links.writtenIn(scan())).toEqual([])
  appendFileSync(join(left, 'c'), '!')
  appendFileSync(join(made, 'd'), '!')
  expect(links.writtenIn(scan())).toEqual(['c'])
})
