import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createInflate } from 'node:zlib'
import { StrataError, messageOf } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { readFully } from './files.ts'
import type { FsPort } from './fs.ts'
import { PIECE } from './large-entry.ts'

/** An object of a pack that stands there by itself, and where it is. */
export type LargeObject = {
  readonly type: ObjectType
  readonly size: number
  /** Where the deflated data begins, and where the next entry does. */
  readonly start: number
  readonly end: number
}

function* deflated(fs: FsPort, fd: number, { start, end }: LargeObject): Generator<Buffer> {
  for (let at = start; at < end; ) {
    // Its own: what reads it may keep it for a while.
    const piece = Buffer.allocUnsafe(Math.min(PIECE, end - at))
    const got = readFully(fs, fd, piece, at)
    if (got === 0) return
    yield piece.subarray(0, got)
    at += got
  }
}

/**
 * The content of a large object, piece by piece; its id is checked at the end. Throws CORRUPT: whoever has used the pieces has to take
 * that back. zlib does this only asynchronously.
 */
export async function* inflatePieces(fs: FsPort, fd: number, name: string, oid: Oid, object: LargeObject): AsyncGenerator<Buffer> {
  const corrupt = (why: string): StrataError =>
    new StrataError('CORRUPT', `object ${oid} in ${name} ${why}`, { data: { file: name, oid }, hint: 'Run: strata verify' })
  const hash = createHash('sha1').update(`${object.type} ${object.size}\0`)
  const inflate = createInflate({ chunkSize: PIECE })
  const input = Readable.from(deflated(fs, fd, object))
  input.on('error', (error) => inflate.destroy(error))
  input.pipe(inflate)
  let size = 0
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      size += piece.length
      // What it declares bounds what it may be (deflate bombs).
      if (size > object.size) break
      hash.update(piece)
      yield piece
    }
  } catch (error) {
    throw corrupt(`cannot be inflated: ${messageOf(error)}`)
  } finally {
    input.destroy()
    inflate.destroy()
  }
  if (size !== object.size) throw corrupt(`has not the ${object.size} bytes that it declares`)
  if (hash.digest('hex') !== oid) throw corrupt('is not what its id says')
}
