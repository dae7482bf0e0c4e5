import { file, schema } from 'strata-store'
import { z } from 'zod'

// Loose: what a newer build or the user has added is kept. A kind that a version does not change is the same value in the next.

const text = z.string()
const place = { x: z.number(), y: z.number(), width: z.number(), height: z.number() }
const common = { recent: z.array(text) }
const counts = (doc) => ({ recent: doc.recent.length })

const settings1 = file('settings.json', z.looseObject({ colour: text, fontSize: text, ...place, ...common, telemetry: z.boolean() }), {
  counts,
})
const documents1 = file('documents/*.json', z.looseObject({ title: text, body: text, edited: text }), { damaged: 'quarantine' })
export const v1 = schema('1.0.0', { settings: settings1, documents: documents1 })

const settings1_1 = file(
  'settings.json',
  z.looseObject({ version: text, colour: text, fontSize: text, ...place, ...common, telemetry: z.boolean(), theme: text }),
  { counts },
)
export const v1_1 = schema('1.1.0', { ...v1.kinds, settings: settings1_1 })

const settings2 = file(
  'settings.json',
  z.looseObject({
    version: text,
    color: text,
    fontSize: z.number(),
    window: z.looseObject(place),
    ...common,
    telemetry: z.boolean(),
    theme: text,
  }),
  { counts },
)
const documents2 = file(
  'documents/*.json',
  z.looseObject({ version: text, id: text, title: text, body: text, edited: text, tags: z.array(text) }),
  { damaged: 'quarantine' },
)
export const v2 = schema('2.0.0', { settings: settings2, documents: documents2 })

const documents2_1 = file(
  'documents/*.json',
  z.looseObject({ version: text, id: text, title: text, body: text, edited: z.int(), tags: z.array(text) }),
  { damaged: 'quarantine' },
)
export const v2_1 = schema('2.1.0', { ...v2.kinds, documents: documents2_1 })

const settings3 = file(
  'settings.json',
  z.looseObject({ version: text, color: text, fontSize: z.number(), window: z.looseObject(place), ...common, theme: text }),
  { counts },
)
const previews = file('previews/*.json', z.looseObject({ title: text, words: z.int() }))
export const v3 = schema('3.0.0', { ...v2_1.kinds, settings: settings3, previews })
