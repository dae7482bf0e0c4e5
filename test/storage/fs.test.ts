import { expect, test } from 'vitest'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { fsPortContract } from '../contract/fs-port.ts'

fsPortContract('nodeFsPort', () => nodeFsPort)
fsPortContract('the recording wrapper', () => faultyFs(nodeFsPort).fs)

test('the recording wrapper fails the calls it was told to fail, and records those too', () => {
  const { fs, ops } = faultyFs(nodeFsPort, ({ call }) => (call === 'mkdir' ? { code: 'ENOSPC' } : undefined))
  expect(() => fs.mkdir('/nowhere/at/all')).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  expect(ops).toEqual([{ call: 'mkdir', path: '/nowhere/at/all' }])
})
