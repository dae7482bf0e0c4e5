import { fields, migration } from 'strata-store'
import { v1_1, v2 } from './schemas.mjs'
import { stamp } from './version.mjs'

/** `"14px"` to `14`, and back. */
const pixels = {
  up: (size) => (/^\d+px$/.test(size) ? Number.parseInt(size, 10) : undefined),
  down: (size) => `${size}px`,
}

export const putTheWindowTogether = migration(v1_1, v2, {
  description: 'Put the window together',
  createdAt: '2024-09-01T00:00:00Z',
  changes: ['colour is color', 'fontSize is a number', 'x, y, width and height are in window', 'documents have an id and tags'],
  files: {
    settings: {
      file: fields(v1_1.kinds.settings)
        .convert('version', stamp('1.1.0', '2.0.0'))
        .rename('colour', 'color')
        .convert('fontSize', pixels, { otherwise: { instead: 14 } })
        .wrap(['x', 'y', 'width', 'height'], 'window')
        .steps(),
    },
    documents: {
      file: fields(v1_1.kinds.documents)
        .add('version', '2.0.0', { at: 'first' })
        .add('id', (_document, ctx) => ctx.id())
        .add('tags', [])
        .steps(),
    },
  },
  conserves: { documents: { characters: { before: (d) => d.body.length, after: (d) => d.body.length } } },
})
