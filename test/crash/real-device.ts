import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A disk whose power can be cut: an image file with a file system of its own, mounted through a loop device. */

export type FileSystem = 'ext4' | 'xfs' | 'xfs with reflinks'
export type Device = {
  readonly mount: string
  /** A folder on another disk: what is written here outlives the power cut. */
  readonly beside: string
  /** Nothing that has not reached the disk will, from this moment on. */
  readonly cut: () => void
  readonly unmount: () => void
  readonly remount: () => void
  readonly remove: () => void
}

const IMAGE_BYTES = 512 * 1024 * 1024
const MAKE: Record<FileSystem, readonly [string, ...string[]]> = {
  ext4: ['mkfs.ext4', '-q', '-F'],
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=0'],
  'xfs with reflinks': ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
}
const PACKAGES: Record<string, string> = {
  xfs_io: 'xfsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.ext4': 'e2fsprogs',
  mount: 'mount',
  git: 'git',
}

/** Why no power can be cut here; undefined where it can. */
export const noPowerToCut = (): string | undefined => {
  if (process.platform !== 'linux') return 'loop devices need Linux'
  if (process.geteuid?.() !== 0) return 'mounting a loop device needs root'
  for (const [program, name] of Object.entries(PACKAGES))
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} is missing: apt-get install ${name}`
  return undefined
}

const run = (program: string, ...args: string[]): void => {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

export const device = (fileSystem: FileSystem): Device => {
  const beside = mkdtempSync(join(tmpdir(), 'strata-power-'))
  const [image, mount] = [join(beside, 'image'), join(beside, 'disk')]
  mkdirSync(mount)
  writeFileSync(image, '')
  truncateSync(image, IMAGE_BYTES)
  const [program, ...args] = MAKE[fileSystem]
  run(program, ...args, image)
  const remount = (): void => {
    run('mount', '-o', 'loop', image, mount)
  }
  const unmount = (): void => {
    run('umount', mount)
  }
  remount()
  return {
    mount,
    beside,
    cut: () => {
      run('xfs_io', '-x', '-c', 'shutdown', mount)
    },
    unmount,
    remount,
    remove: () => {
      if (spawnSync('mountpoint', ['-q', mount]).status === 0) unmount()
      rmSync(beside, { recursive: true, force: true })
    },
  }
}
