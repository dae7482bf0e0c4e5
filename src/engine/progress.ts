export type Phase = 'idle' | 'planning' | 'backup' | 'migrating' | 'verifying' | 'activating' | 'done'

/** What a job reports while it runs: counts of what is done, not of what was begun. */
export type ProgressSink = {
  started(jobId: string): void
  phase(phase: Phase): void
  totals(files: number, bytes: number, steps: readonly { version: string; description: string }[]): void
  advance(files: number, bytes: number, records: number, current: string | null): void
}

export const silent: ProgressSink = { started: () => undefined, phase: () => undefined, totals: () => undefined, advance: () => undefined }
