import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'

/** What a byte outside strings adds to the depth. */
export const STEP = new Int8Array(256)
STEP[OPEN_BRACE] = STEP[OPEN_BRACKET] = 1
STEP[CLOSE_BRACE] = STEP[CLOSE_BRACKET] = -1

/** The index after a string whose content goes on at `at`, or -1 where it goes on beyond the bytes; a backslash may be the last of them. */
export const afterString = (bytes: Uint8Array, at: number): number => {
  for (let i = at; i < bytes.length; i++) {
    const code = bytes[i]
    if (code === QUOTE) return i + 1
    if (code === BACKSLASH) i++
  }
  return -1
}

/** Follows JSON text piece by piece: whether all that it opened is closed. It says nothing of what is in between. */
export class BracketScan {
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isAny = false

  add(bytes: Uint8Array): void {
    let at = 0
    if (this.#isEscaped && bytes.length > 0) {
      this.#isEscaped = false
      at = 1
    }
    while (at < bytes.length) {
      if (this.#isInString) {
        const end = afterString(bytes, at)
        if (end < 0) {
          this.#isEscaped = endsInEscape(bytes, at)
          return
        }
        this.#isInString = false
        at = end
        continue
      }
      const code = bytes[at] ?? 0
      const step = STEP[code] ?? 0
      if (step !== 0) {
        this.#depth += step
        this.#isAny = true
      } else if (code === QUOTE) this.#isInString = true
      at++
    }
  }

  get isOpen(): boolean {
    return this.#isInString || this.#depth !== 0 || !this.#isAny
  }
}

/** Whether the last byte of a string's content so far is a backslash that escapes what comes next. */
export const endsInEscape = (bytes: Uint8Array, from: number): boolean => {
  let count = 0
  for (let i = bytes.length - 1; i >= from && bytes[i] === BACKSLASH; i--) count++
  return count % 2 === 1
}
