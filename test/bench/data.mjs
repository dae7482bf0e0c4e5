// The data sets: daily files as NetMonitor's first release wrote them (shape A), the same bytes each time.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const ENDPOINTS = ['Google DNS', 'Google TCP', 'Google DNS UDP', 'GitHub HTTP']
const CONFIG = {
  regions: {
    Default: {
      endpoints: [
        { name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 },
        { name: 'Google TCP', type: 'TCP', address: 'google.com:80', timeout: 2000 },
        { name: 'Google DNS UDP', type: 'UDP', address: '8.8.8.8:53', timeout: 2000 },
        { name: 'GitHub HTTP', type: 'HTTP', address: 'https://github.com', timeout: 5000 },
      ],
      thresholds: { latency_ms: 100, availability_percent: 99 },
    },
  },
  settings: { test_interval_minutes: 1, data_retention_days: 365, notifications_enabled: true },
}
const DAY = 86_400_000

/** Mulberry32: seedable, the same everywhere. */
const randomOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One record as Go's MarshalIndent writes it in a list; about 175 bytes. */
const record = (instant, random) => {
  const local = new Date(instant - 5 * 3_600_000).toISOString().slice(0, 19)
  const fraction = String(Math.floor(random() * 1e7)).padStart(7, '0')
  const id = `Default-${ENDPOINTS[Math.floor(random() * ENDPOINTS.length)]}`
  const failed = random() < 0.02
  const error = failed ? `,\n    "error": "timeout after ${1000 + Math.floor(random() * 1000)} ms"` : ''
  return `  {\n    "timestamp": "${local}.${fraction}-05:00",\n    "endpoint_id": "${id}",\n    "latency_ms": ${Math.floor(random() * 300)},\n    "status": "${failed ? 'failure' : 'success'}"${error}\n  }`
}

const dayText = (day, records) => {
  const random = randomOf(day)
  const step = Math.floor(DAY / records)
  const start = day * DAY + 5 * 3_600_000
  const parts = Array.from({ length: records }, (_, i) => record(start + i * step, random))
  return `[\n${parts.join(',\n')}\n]`
}

const FIRST_DAY = Date.UTC(1990, 0, 1) / DAY
const dateOf = (day) => new Date(day * DAY).toISOString().slice(0, 10)

/** Files of `records` records each: 20 give 3 KB, 3,300 give 0.5 MB. */
const days = (dir, files, records) => {
  mkdirSync(join(dir, 'data'), { recursive: true })
  writeFileSync(join(dir, 'config.json'), JSON.stringify(CONFIG, null, 2))
  for (let i = 0; i < files; i++) writeFileSync(join(dir, 'data', `${dateOf(FIRST_DAY + i)}.json`), dayText(FIRST_DAY + i, records))
}

/** A single daily file of about `bytes`, written piece by piece. */
const oneLarge = (dir, bytes) => {
  mkdirSync(join(dir, 'data'), { recursive: true })
  writeFileSync(join(dir, 'config.json'), JSON.stringify(CONFIG, null, 2))
  const fd = openSync(join(dir, 'data', `${dateOf(FIRST_DAY)}.json`), 'w')
  const random = randomOf(1)
  try {
    let [written, n] = [writeSync(fd, '[\n'), 0]
    while (written < bytes) {
      const piece = Array.from({ length: 5000 }, () => record(FIRST_DAY * DAY + 5 * 3_600_000 + (n++ % DAY), random)).join(',\n')
      written += writeSync(fd, n === 5000 ? piece : `,\n${piece}`)
    }
    writeSync(fd, '\n]')
  } finally {
    closeSync(fd)
  }
}

/** name → maker, at full size or a part of it: `part` 0.01 is a hundredth of the files, or of the bytes. */
export const DATA = {
  days: (dir, part) => days(dir, Math.max(2, Math.round(90 * part)), 3300),
  many: (dir, part) => days(dir, Math.max(10, Math.round(10_000 * part)), 18),
  big: (dir, part) => days(dir, Math.max(4, Math.round(4000 * part)), 1800),
  one: (dir, part) => oneLarge(dir, Math.max(1e6, Math.round(2 * 2 ** 30 * part))),
}

/** Small files, any number of them: for how cost grows. */
export const small = (dir, files) => days(dir, files, 18)
