/** T022's DataFileHeader: the first member of a versioned file. `migrations` lists what the file has been through, oldest first. */
export type DataFileHeader = {
  formatVersion: string
  schemaVersion: string
  /** The application that wrote the file first. */
  createdWith: string
  migrations: { version: string; description: string }[]
}

// Inside `header`, past one level of objects: a `schemaVersion` elsewhere is the user's own.
const HEADER_VERSION = /"header"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"schemaVersion"\s*:\s*"([^"\\]{1,64})"/

/** The version that a file's header names, from its first bytes as text. */
export const headerVersion = (head: string): string | null => (/^\uFEFF?\s*\{/.test(head) ? (HEADER_VERSION.exec(head)?.[1] ?? null) : null)
