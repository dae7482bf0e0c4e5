import { fields, migration } from 'strata-store'
import { v1, v1_1 } from './schemas.mjs'

export const addATheme = migration(v1, v1_1, {
  description: 'Add a theme',
  createdAt: '2024-03-01T00:00:00Z',
  changes: ['settings.json names its version', 'settings.json has a theme'],
  readableFrom: '1.0.0',
  files: {
    settings: { file: fields(v1.kinds.settings).add('version', '1.1.0', { at: 'first' }).add('theme', 'light').steps() },
  },
})
