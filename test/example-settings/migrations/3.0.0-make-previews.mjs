import { fields, migration } from 'strata-store'
import { v2_1, v3 } from './schemas.mjs'
import { stamp } from './version.mjs'

const words = (body) => body.split(/\s+/).filter((word) => word !== '').length

export const makePreviews = migration(v2_1, v3, {
  description: 'Make previews',
  createdAt: '2025-06-01T00:00:00Z',
  changes: ['telemetry is gone', 'previews/ holds title and length of each document'],
  files: {
    settings: {
      file: fields(v2_1.kinds.settings).convert('version', stamp('2.0.0', '3.0.0')).remove('telemetry', { back: false }).steps(),
    },
    previews: {
      derive: {
        from: 'documents',
        each: ({ path, doc }) => [[path.replace('documents/', 'previews/'), { title: doc.title, words: words(doc.body) }]],
      },
    },
  },
  loses: { settings: { telemetry: 'nobody asked for it; what is written after 3.0.0 goes back without it' } },
})
