import { fields, migration, millisFromDate } from 'strata-store'
import { v2, v2_1 } from './schemas.mjs'
import { stamp } from './version.mjs'

export const countMilliseconds = migration(v2, v2_1, {
  description: 'Count milliseconds',
  createdAt: '2025-01-01T00:00:00Z',
  changes: ['edited is in Unix milliseconds'],
  files: {
    documents: {
      file: fields(v2.kinds.documents).convert('version', stamp('2.0.0', '2.1.0')).convert('edited', millisFromDate).steps(),
    },
  },
  loses: { documents: { edited: 'the offset; on the way back times are in UTC, the original ones come from the original' } },
})
