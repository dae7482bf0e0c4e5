import { appendFileSync, chmodSync, existsSync, linkSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { linkFile } from '../../src/storage/link.ts'
import type { FileStat } from '../../src/storage/scan.ts'
import { statFile } from '../../src/storage/scan.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { temporary } from '../contract/temporary.ts'

const setUp = (): { from: string; to: string; stat: FileStat | undefined } => {
  const dir = temporary()
  const [from, to] = [join(dir, 'from'), join(dir, 'to')]
  writeFileSync(from, 'what it holds')
  const past = Date.now() / 1000 - 60
  utimesSync(from, past, past)
  return { from, to, stat: statFile(nodeFsPort, from) }
}

describe('another name of a file', () => {
  test('is the same file; only its ctime and the number of its names are others', () => {
    const { from, to, stat } = setUp()
    const link = linkFile(nodeFsPort, from, to, stat)
    expect(statSync(to).ino).toBe(statSync(from).ino)
    expect(link?.was).toEqual(stat)
    expect(link?.is).toEqual({ ...stat, ctimeMs: statSync(from).ctimeMs, links: 2 })
  })

  test.each(['EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP', 'ENOSYS'])(
    'is refused where the system says %s, without an error and without a file',
    (code) => {
      const { from, to, stat } = setUp()
      const { fs } = faultyFs(nodeFsPort, ({ call }) => (call === 'link' ? { code } : undefined))
      expect(linkFile(fs, from, to, stat)).toBeUndefined()
      expect(existsSync(to)).toBe(false)
    },
  )

  test('is an error where the disk has one', () => {
    const { from, to, stat } = setUp()
    const { fs } = faultyFs(nodeFsPort, ({ call }) => (call === 'link' ? { code: 'EIO' } : undefined))
    expect(() => linkFile(fs, from, to, stat)).toThrow('EIO')
  })

  test('never takes the place of a file that is there', () => {
    const { from, to, stat } = setUp()
    writeFileSync(to, 'mine')
    expect(linkFile(nodeFsPort, from, to, stat)).toBeUndefined()
    expect(readFileSync(to, 'utf8')).toBe('mine')
  })

  const changes: [string, (from: string) => void][] = [
    ['was written to', (from) => appendFileSync(from, 'x')],
    ['was given other rights', (from) => chmodSync(from, 0o600)],
    [
      'was replaced',
      (from) => {
        writeFileSync(`${from}.new`, 'what it holds')
        renameSync(`${from}.new`, from)
      },
    ],
  ]

  test.each(changes)('is not given to a file that %s since it was read', (_, change) => {
    const { from, to, stat } = setUp()
    change(from)
    expect(linkFile(nodeFsPort, from, to, stat)).toBeUndefined()
    expect(existsSync(to)).toBe(false)
  })

  test.each(changes)('does not stay with a file that %s in that very moment', (_, change) => {
    const { from, to, stat } = setUp()
    const racing: FsPort = {
      ...nodeFsPort,
      link: (a, b) => {
        change(a)
        linkSync(a, b)
      },
    }
    expect(linkFile(racing, from, to, stat)).toBeUndefined()
    expect(existsSync(to)).toBe(false)
  })
})
