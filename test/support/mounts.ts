import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporary } from '../contract/temporary.ts'

/** Disks of their own, which can be filled, cut off, or made read-only. Only the superuser can mount them, and not everywhere. */

const unmount = (dir: string): void => void spawnSync('umount', ['-l', dir])

const tries = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

const canMount = (): boolean => {
  if (process.getuid?.() !== 0) return false
  const dir = mkdtempSync(join(tmpdir(), 'strata-mount-'))
  const works = tries('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir)
  if (works) unmount(dir)
  rmSync(dir, { recursive: true, force: true })
  return works
}

/** Whether this process may mount a tmpfs. */
export const MOUNTS = canMount()

/** Whether it may mount an image file as ext4, too. */
export const LOOPS = MOUNTS && existsSync('/dev/loop-control') && spawnSync('mkfs.ext4', ['-V']).status === 0

const mounted = (args: string[]): string => {
  const dir = temporary()
  execFileSync('mount', [...args, dir])
  onTestFinished(() => {
    unmount(dir)
  })
  return dir
}

export const tmpfs = (megabytes: number): string => mounted(['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs'])

/** Whether it may mount one as XFS, whose files can share blocks. */
export const REFLINKS = LOOPS && spawnSync('mkfs.xfs', ['-V']).status === 0 && readFileSync('/proc/filesystems', 'utf8').includes('xfs')

const loop = (megabytes: number, make: string, ...options: string[]): string => {
  const image = join(temporary(), 'image')
  writeFileSync(image, '')
  truncateSync(image, megabytes * 1024 ** 2)
  execFileSync(make, [...options, image])
  return mounted(['-o', 'loop', image])
}

export const ext4 = (megabytes: number): string => loop(megabytes, 'mkfs.ext4', '-q', '-F', '-m', '0')

/** At least 300 MB. */
export const xfs = (megabytes: number): string => loop(megabytes, 'mkfs.xfs', '-q', '-m', 'reflink=1')
