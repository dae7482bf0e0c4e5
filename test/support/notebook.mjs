import { brotli, chain, dataset, fields, file, messagePack, migration, ndjson, records, schema } from '../../dist/index.js'
import { z } from '../../dist/internal.js'

/*
 * An application whose files move, change their format, are indexed, and in the end merged:
 *
 * 1.0.0  settings.json, notes/*.json (lists of { t, text })
 * 2.0.0  settings.json is config.json; notes/D.json is journal/D.ndjson; words/D.json is derived from each; index.json tells of all
 * 3.0.0  config.json has the number of notes, which it reads from index.json; text is body; words/ has shares besides counts
 * 4.0.0  journals of a year with more than one are merged into years/Y.msgpack.br, and go; each is marked in config.json
 */

const note1 = z.looseObject({ t: z.int(), text: z.string() })
const note3 = z.looseObject({ t: z.int(), body: z.string() })
const day = z.looseObject({ path: z.string(), notes: z.int(), size: z.int() })

const v1 = schema('1.0.0', {
  config: file('settings.json', z.looseObject({ title: z.string() })),
  notes: records('notes/*.json', '', z.null(), note1, { damaged: 'quarantine' }),
})
const v2 = schema('2.0.0', {
  config: file('config.json', z.looseObject({ title: z.string() })),
  notes: records('journal/*.ndjson', '', z.null(), note1, { codec: ndjson, damaged: 'quarantine' }),
  words: file('words/*.json', z.looseObject({ words: z.int() })),
  index: file('index.json', z.looseObject({ title: z.string(), days: z.array(day) })),
})
const v3 = schema('3.0.0', {
  ...v2.kinds,
  config: file('config.json', z.looseObject({ title: z.string(), notes: z.int() })),
  notes: records('journal/*.ndjson', '', z.null(), note3, { codec: ndjson, damaged: 'quarantine' }),
  words: file('words/*.json', z.looseObject({ words: z.int(), share: z.number() })),
})
const v4 = schema('4.0.0', {
  ...v3.kinds,
  years: records('years/*.msgpack.br', 'notes', z.looseObject({ year: z.string() }), note3, { codec: brotli(messagePack) }),
})

const about = (description) => ({ description, createdAt: '2026-01-01T00:00:00Z', changes: [description] })
const same = { head: () => null, record: (note) => note }
const base = (path) => path.slice(path.indexOf('/') + 1, path.lastIndexOf('.'))
const count = (notes) => [...notes].reduce((sum, { text, body }) => sum + (text ?? body).split(/\s+/).length, 0)

const move = migration(v1, v2, {
  ...about('A journal with an index'),
  files: {
    config: {
      path: { migrate: () => 'config.json', rollback: () => 'settings.json' },
      file: { migrate: (doc) => doc, rollback: (doc) => doc },
    },
    notes: {
      path: { migrate: (path) => `journal/${base(path)}.ndjson`, rollback: (path) => `notes/${base(path)}.json` },
      record: { migrate: same, rollback: same },
    },
    words: { derive: { from: 'notes', each: ({ path, records }) => [[`words/${base(path)}.json`, { words: count(records) }]] } },
    index: {
      gather: {
        from: 'notes',
        each: ({ path, records, size }) => ({ path, notes: [...records].length, size }),
        make: (days, ctx) => [['index.json', { title: ctx.read('config').title, days: days.map(({ value }) => value) }]],
      },
    },
  },
})

const total = (index) => (index?.days ?? []).reduce((sum, { notes }) => sum + notes, 0)

const number = migration(v2, v3, {
  ...about('Count notes'),
  files: {
    config: {
      file: { migrate: (doc, ctx) => ({ ...doc, notes: total(ctx.find('index')) }), rollback: ({ notes: _, ...doc }) => doc },
    },
    notes: {
      record: {
        migrate: { head: () => null, record: ({ text, ...note }) => ({ ...note, body: text }) },
        rollback: { head: () => null, record: ({ body, ...note }) => ({ ...note, text: body }) },
      },
    },
    words: {
      file: fields(v2.kinds.words)
        .add('share', (doc, ctx) => doc.words / Math.max(1, ctx.paths('notes').length))
        .steps(),
    },
  },
})

const byYear = (paths) => {
  const years = new Map()
  for (const path of paths) years.set(base(path).slice(0, 4), [...(years.get(base(path).slice(0, 4)) ?? []), path])
  return years
}

/** Nothing about a single file: the kinds that stay are the very same. */
const merge = migration(v3, v4, {
  ...about('Merge years'),
  files: { years: { made: 'by the dataset step' } },
  *dataset(view, ctx) {
    for (const [year, paths] of byYear(view.paths('notes'))) {
      if (paths.length < 2) continue
      const notes = paths.flatMap((path) => view.open('notes', path).records)
      yield { kind: 'years', path: `years/${year}.msgpack.br`, doc: { year, by: ctx.id() }, records: notes }
      for (const path of paths) yield { remove: path }
      const { doc } = view.open('config', 'config.json')
      yield { kind: 'config', path: 'config.json', doc: { ...doc, merged: [...(doc.merged ?? []), year] } }
    }
  },
})

export default dataset({
  name: 'Notebook',
  chain: chain(v1).add(move).add(number).add(merge),
  detect: ({ path }) => (path === 'settings.json' || path.startsWith('notes/') ? '1.0.0' : null),
})
