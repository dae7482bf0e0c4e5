import { StrataError } from './errors.ts'

/**
 * Names. Dataset paths use `/`; a component may hold anything the file system allowed. Git trees may not (`.git` in all its
 * spellings, back-slashes …), so such components are percent-escaped there by a frozen, reversible rule (store/README.md).
 */

const encoder = new TextEncoder()
// A byte order mark is part of a name like any other character.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Code points that HFS+ ignores when it compares names: `.g<U+200C>it` is `.git` there. */
const IGNORABLE = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[\\:\u0000-\u001f\u007f]/
const PLAIN = /[A-Za-z0-9._-]/

/** Windows' short names: `git~1`, but also `gi7eba~1` and `~1000000`, which git takes for `.gitmodules` and refuses as a folder. */
const SHORT_NAME = /^[a-z0-9]{0,6}~\d/i

const needsEscape = (name: string): boolean => {
  if (name.startsWith('%') || FORBIDDEN.test(name)) return true
  const folded = name.replace(IGNORABLE, '')
  return folded !== name || /^\.git/i.test(folded) || SHORT_NAME.test(folded)
}

const hex = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** The tree entry name of a path component. Its first byte is always escaped, which is how an escaped name is known. */
export const treeName = (name: string): string => {
  if (!needsEscape(name)) return name
  return Array.from(encoder.encode(name), (byte, i) => {
    const char = String.fromCharCode(byte)
    return i > 0 && byte < 128 && PLAIN.test(char) ? char : hex(byte)
  }).join('')
}

const corrupt = (name: string): StrataError =>
  new StrataError('CORRUPT', `the tree entry name ${JSON.stringify(name)} is not one that Strata writes`)

const percentDecode = (text: string): string => {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '%') {
      bytes.push(Number.parseInt(text.slice(i + 1, i + 3), 16))
      i += 2
    } else bytes.push(text.charCodeAt(i))
  }
  return decoder.decode(Uint8Array.from(bytes))
}

/** The path component that a tree entry stands for. Throws CORRUPT for a name that `treeName` never makes. */
export const componentName = (entry: string): string => {
  let name: string
  try {
    name = entry.startsWith('%') ? percentDecode(entry) : entry
  } catch {
    throw corrupt(entry)
  }
  const safe = name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')
  if (!safe || treeName(name) !== entry) throw corrupt(entry)
  return name
}

/** A part that is empty, `.` or `..`, or a NUL anywhere. */
const LEADS_OUT = /(?:^|\/)\.{0,2}(?:\/|$)|\0/

/** Whether `path` is a relative dataset path that stays inside its directory. */
export const isInside = (path: string): boolean => !LEADS_OUT.test(path)

/** Throws UNSUPPORTED_NAME unless `path` is a relative dataset path that stays inside its directory. */
export const checkPath = (path: string): void => {
  if (!isInside(path))
    throw new StrataError('UNSUPPORTED_NAME', `${JSON.stringify(path)} is not a path inside the dataset`, { data: { path } })
}

/** Text from data, safe to print: control characters become visible escapes. */
export const printable = (text: string): string =>
  text.replace(
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** Surrogates sort after the rest of the basic plane in UTF-8, before its last part in UTF-16. */
const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/** Orders two strings as their UTF-8 bytes. */
export const compareBytes = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}
