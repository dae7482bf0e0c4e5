export type Phase = 'idle' | 'planning' | 'backup' | 'migrating' | 'verifying' | 'activating' | 'done'

/** What a job reports while it runs: counts of what is done, not of what was begun. */
export type ProgressSink = {
  readonly started: (jobId: string) => void
  readonly phase: (phase: Phase) => void
  readonly totals: (files: number, bytes: number, steps: readonly { version: string; description: string }[]) => void
  /** `remembered`: of how many of these files the result was known. */
  readonly advance: (files: number, bytes: number, records: number, current: string | null, remembered?: number) => void
}

/** For work that nobody watches. */
export const silent: ProgressSink = { started: () => undefined, phase: () => undefined, totals: () => undefined, advance: () => undefined }
