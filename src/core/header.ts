/** T022's DataFileHeader: the first member of a versioned file. `migrations` lists what the file has been through, oldest first. */
export type DataFileHeader = {
  formatVersion: string
  schemaVersion: string
  /** The application that wrote the file first. */
  createdWith: string
  migrations: { version: string; description: string }[]
}

const HEADER_VERSION = /"schemaVersion"\s*:\s*"([^"\\]{1,64})"/

/** The version that a file's header names, from its first bytes as text. */
export const headerVersion = (head: string): string | null => (/^\uFEFF?\s*\{/.test(head) ? (HEADER_VERSION.exec(head)?.[1] ?? null) : null)
