import fc from 'fast-check'
import { expect, test } from 'vitest'
import { elementLine, valueLine } from '../../../src/core/json/index.ts'

const value = fc.jsonValue({ maxDepth: 3 })
/** Each element on lines of its own, with its first line known. */
const spread = (list: readonly unknown[], indent: number): { text: string; lines: number[] } => {
  const parts = list.map((one) => JSON.stringify(one, null, indent))
  const lines: number[] = []
  let line = 2
  for (const part of parts) {
    lines.push(line)
    line += part.split('\n').length
  }
  return { text: `[\n${parts.join(',\n')}\n]`, lines }
}

test('the line of any element of any array', () => {
  fc.assert(
    fc.property(fc.array(value), fc.integer({ min: 0, max: 2 }), (list, indent) => {
      const { text, lines } = spread(list, indent)
      for (const at of list.keys()) expect(elementLine(text, '', at)).toBe(lines[at])
      expect(elementLine(text, '', list.length)).toBeNull()
    }),
  )
})

test('the same in a member, whatever stands around it', () => {
  fc.assert(
    fc.property(fc.array(value), value, fc.constantFrom('list', '__proto__', 'a"b', ''), (list, other, name) => {
      const { text, lines } = spread(list, 1)
      const before = JSON.stringify({ other: [[name], { [name]: [other] }], text: name })
      const whole = `${before.slice(0, -1)},${JSON.stringify(name)}:${text},"after":[1,2]}`
      if (name === '') return
      for (const at of list.keys()) expect(elementLine(whole, name, at)).toBe(lines[at])
      expect(elementLine(whole, name, list.length)).toBeNull()
      expect(elementLine(whole, 'absent', 0)).toBeNull()
    }),
  )
})

test('where each line is a value, empty ones do not count', () => {
  expect([0, 1, 2].map((at) => valueLine('{}\n\n 7\r\n', at))).toEqual([1, 3, null])
})
