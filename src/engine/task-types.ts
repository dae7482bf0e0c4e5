import type { Dataset } from '../core/dataset.ts'
import type { Oid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Gathered } from '../core/notes.ts'
import type { Read } from '../core/reads.ts'
import type { FsPort } from '../storage/fs.ts'
import type { Link } from '../storage/link.ts'
import type { PackFinding, PackPlace, PackVisitor } from '../storage/pack-verify.ts'
import type { EncodedBatch } from '../storage/pack-write.ts'
import type { FileStat } from '../storage/scan.ts'

/**
 * The work that runs in workers, or on the main thread when there is little of it: whole batches with synchronous calls,
 * nothing shared, plain data in and out (measurements: half the time of promises, and status answers at once).
 */

/** Content of one file, as the manifest will list it. */
export type Content = { readonly path: string; readonly size: number; readonly sha256: string; readonly oid: Oid }

/** A file of a snapshot that got another name, and what it holds. Its bytes are on the disk, and were compared when that snapshot was sealed. */
export type KeptLink = Link & { readonly sha256: string }

/** `isImmutable`: a copy may be another name of the file. */
export type CaptureFile = { readonly path: string; readonly size: number; readonly known: string | null; readonly isImmutable?: boolean }
export type CaptureTask = {
  readonly type: 'capture'
  readonly root: string
  readonly copyTo: string | null
  /** Chain position of the snapshot whose files are to be parsed as well, so that a damaged one is reported; null: they are not. */
  readonly base: number | null
  readonly files: readonly CaptureFile[]
}
export type Captured = Content & {
  readonly stat: FileStat
  readonly version: string | null
  readonly same: boolean
  /** Why the file cannot be read as what it should be. */
  readonly damage: Issue | null
  /** What is to be said of records in it. */
  readonly records: readonly Issue[]
}
export type CaptureResult = {
  readonly type: 'capture'
  readonly files: readonly Captured[]
  readonly gone: readonly string[]
  readonly links: readonly KeptLink[]
  readonly pack: EncodedBatch
}

export type TransformFile = {
  readonly path: string
  readonly sha256: string
  readonly oid: Oid
  readonly size: number
  readonly mode: number
  /** What it held when it was captured, where its writer is too fast for it to be read once more. */
  readonly bytes?: Uint8Array
  /** It could not be read before, and goes on as it is. */
  readonly isAsItIs?: boolean
  /** The application never writes it again: an unchanged copy may be another name of it. */
  readonly isImmutable?: boolean
}
export type TransformTask = {
  readonly type: 'transform'
  /** Identifies the source: a worker keeps what it worked out of other files while this stays the same. */
  readonly key: string
  readonly root: string
  /** All paths of the source, with a NUL after each: as one text they cost nothing to hand over with every batch. */
  readonly paths: string
  /** The source is a snapshot's directory, and none that is still in the making. */
  readonly isSnapshot: boolean
  /** Chain position of the source. A file that is behind it is taken there first. */
  readonly base: number
  /** Chain positions to write, ascending, and the directory for each. */
  readonly positions: readonly number[]
  readonly staging: readonly string[]
  /** Where files are already at the last of `positions`. */
  readonly there: readonly string[] | null
  readonly files: readonly TransformFile[]
}
/** One file at one position; `same`: its bytes are those of the position before. */
export type Made = Content & { readonly mode: number; readonly same: boolean }
export type Transformed = {
  readonly path: string
  readonly steps: readonly (readonly Made[])[]
  readonly issues: readonly Issue[]
  readonly records: number
  readonly reads: readonly Read[]
  readonly damaged: boolean
  /** How far it is was told while it was worked at. */
  readonly isTold?: boolean
  readonly gathered: readonly Gathered[]
}
export type TransformResult = {
  readonly type: 'transform'
  readonly files: readonly Transformed[]
  readonly stale: readonly string[]
  readonly links: readonly KeptLink[]
  readonly pack: EncodedBatch
}

/**
 * An output that an earlier run made: where it lies, and whether the repository has it. `stat`: of an immutable file, under which the
 * index of its snapshot vouches for it; it may get another name.
 */
export type RecallOutput = Made & {
  readonly from: { readonly dir: string; readonly isLeft: boolean; readonly stat?: FileStat } | null
  readonly isStored: boolean
}
/** A file whose result is known. `size`: of all its outputs. */
export type RecallFile = Omit<Transformed, 'steps'> & { readonly size: number; readonly steps: readonly (readonly RecallOutput[])[] }
export type RecallTask = { readonly type: 'recall'; readonly staging: readonly string[]; readonly files: readonly RecallFile[] }
export type RecallResult = {
  readonly type: 'recall'
  readonly done: readonly string[]
  /** Files whose outputs are no longer what they were: they are to be worked out anew. */
  readonly missed: readonly string[]
  readonly links: readonly KeptLink[]
  readonly pack: EncodedBatch
}

export type VerifyTask = {
  readonly type: 'verify'
  readonly root: string
  readonly files: readonly { path: string; size: number; sha256: string }[]
}
export type VerifyResult = {
  readonly type: 'verify'
  readonly checked: number
  readonly bytes: number
  readonly wrong: readonly { path: string; why: string }[]
}

/** Objects of one pack, read where they stand. */
export type ObjectsTask = { readonly type: 'objects'; readonly path: string; readonly entries: readonly PackPlace[] }
export type ObjectsResult = {
  readonly type: 'objects'
  readonly objects: readonly Parameters<PackVisitor['onObject']>[0][]
  readonly findings: readonly PackFinding[]
}

/** Files written from the repository. */
export type ExtractTask = {
  readonly type: 'extract'
  /** The folder of the repository's packs. */
  readonly packs: string
  readonly to: string
  readonly files: readonly FileEntry[]
}
export type ExtractResult = { readonly type: 'extract'; readonly files: number; readonly bytes: number }

/** What a step does with all files of a staged directory; `gathered` is what it has taken from each. `bytes`: of all files. */
export type AssembleTask = {
  readonly type: 'assemble'
  readonly root: string
  readonly paths: readonly string[]
  /** The chain position that the files are at. */
  readonly position: number
  readonly gathered: readonly Gathered[]
  readonly bytes: number
  /** Only what is made of other files, over what it has made before. */
  readonly isAgain?: boolean
}
export type AssembleResult = {
  readonly type: 'assemble'
  readonly made: readonly { readonly path: string; readonly size: number }[]
  readonly removed: readonly string[]
  readonly issues: readonly Issue[]
}

/** Files at `position` from which the migrations at `indexes` take what they make other files of. */
export type GatherTask = {
  readonly type: 'gather'
  readonly root: string
  readonly position: number
  readonly indexes: readonly number[]
  readonly paths: readonly string[]
  readonly files: readonly { readonly path: string; readonly size: number }[]
}
export type GatherResult = { readonly type: 'gather'; readonly gathered: readonly Gathered[] }

export type Task = AssembleTask | GatherTask | CaptureTask | TransformTask | RecallTask | VerifyTask | ObjectsTask | ExtractTask
export type Result =
  | AssembleResult
  | GatherResult
  | CaptureResult
  | TransformResult
  | RecallResult
  | VerifyResult
  | ObjectsResult
  | ExtractResult
export type ResultOf<T extends Task> = Extract<Result, { type: T['type'] }>

/** `cancelled`: whether the job was asked to stop; a task may look at any time. */
export type TaskEnv = {
  readonly fs: FsPort
  /** The folder of the repository's packs: what is too large for memory is put there. */
  readonly packs: string
  readonly dataset: Dataset | null
  readonly cancelled?: () => boolean
  /** Tells of bytes of a large file that are done before all of it is; together they are its size. */
  readonly advance?: (bytes: number) => void
}
