import { LARGE } from '../storage/large-entry.ts'

const BATCH_BYTES = 512 * 1024

/** Cuts a list of files into batches of about 512 KiB: small enough for memory, large enough for the hand-over to cost nothing. */
export function* batches<F extends { readonly size: number }>(files: Iterable<F>): Generator<F[]> {
  let batch: F[] = []
  let bytes = 0
  for (const file of files) {
    // A large file is not held in memory: it may as well go along with the small ones before it.
    if (batch.length > 0 && bytes + (file.size < LARGE ? file.size : 0) > BATCH_BYTES) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(file)
    bytes += file.size
  }
  if (batch.length > 0) yield batch
}
