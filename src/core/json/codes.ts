/** Codes of JSON's punctuation: the same as UTF-8 bytes and as UTF-16 units, so the scan and the parser share them. */
export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const COMMA = 0x2c
export const COLON = 0x3a
export const MINUS = 0x2d
export const PLUS = 0x2b
export const POINT = 0x2e
export const ZERO = 0x30
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d

/** RFC 8259 knows four white-space characters and no others. */
export const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

export const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** `e` or `E`. */
export const isExponent = (code: number): boolean => (code | 0x20) === 0x65

/** Where the string that opens at `start` closes. Only for text that is known to be well-formed. */
export const closingQuote = (text: string, start: number): number => {
  let at = start + 1
  for (let code = text.charCodeAt(at); code !== QUOTE && at < text.length; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1
  }
  return at
}
