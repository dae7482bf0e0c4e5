// Every row of the benchmark. A row says what is done, against whom, and what is aimed at; `once` does it one time, both sides in turn.
import { closeSync, cpSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const HERE = import.meta.dirname
const peer = (name) => join(HERE, 'peers', name)
const ours = (name) => join(HERE, 'ours', name)

/** git, as durable as it can be set, with its directory apart from the data, which it only reads. */
const git = (b, dir, data, ...args) =>
  b.run(
    'git',
    ['-c', 'core.fsync=all', '-c', 'core.fsyncMethod=fsync', '-c', 'gc.auto=0', '-c', 'user.name=b', '-c', 'user.email=b@b', ...args],
    {
      env: { GIT_DIR: join(dir, 'git'), GIT_WORK_TREE: data, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
    },
  )
const gitCommit = (b, dir, data) =>
  sum(git(b, dir, data, 'init', '-q'), git(b, dir, data, 'add', '-A'), git(b, dir, data, 'commit', '-qm', 'all'))

const restic = (b, dir, ...args) =>
  b.run('restic', ['-q', '--no-cache', '-r', join(dir, 'restic'), ...args], { env: { RESTIC_PASSWORD: 'bench', HOME: dir } })

const sum = (...runs) => ({
  ms: runs.reduce((ms, r) => ms + r.ms, 0),
  memory: runs.reduce((most, r) => (r.memory === null ? most : Math.max(most ?? 0, r.memory)), null),
})

const init = (b, data) => {
  const store = join(b.fresh(), 'store')
  return { store, run: b.strata(store, 'init', '--from', data) }
}

const captured = (b, data) => init(b, data).store
/** `many` at its first step, for rows that leave it as it was. */
const migratedMany = (b) =>
  b.kept('many-migrated', (dir) => {
    const store = join(dir, 'store')
    b.strata(store, 'init', '--from', b.data('many'))
    b.strata(store, 'migrate', '--to', FIRST)
  })
const migratedTo = (b, data, to) => {
  const store = captured(b, data)
  b.strata(store, 'migrate', ...(to === undefined ? [] : ['--to', to]))
  return store
}

const captureRow = (data, against, target) => ({
  id: `capture-${data}-${against}`,
  work: `first capture, ${data}`,
  against: against === 'git' ? 'git add + commit' : against === 'restic' ? 'restic backup' : 'isomorphic-git add + commit',
  needs: against === 'isogit' ? [] : [against],
  target,
  once: (b) => {
    const from = b.data(data)
    const { store, run } = init(b, from)
    const dir = b.fresh()
    let other
    if (against === 'git') other = gitCommit(b, dir, from)
    else if (against === 'restic') {
      restic(b, dir, 'init')
      other = restic(b, dir, 'backup', from)
    } else {
      const copy = join(dir, 'copy')
      cpSync(from, copy, { recursive: true })
      other = b.node(peer('isogit.mjs'), copy)
    }
    return { ours: { ...run, disk: b.bytes(join(store, 'repo.git')) }, peer: { ...other, disk: b.bytes(dir) } }
  },
})

const FIRST = '1.1.0'

const stepRow = (data) => ({
  id: `step-${data}`,
  work: `one step of every file, ${data}, all included`,
  against: 'git commit, naive script, git commit',
  needs: ['git'],
  target: 0.5,
  once: (b) => {
    const store = captured(b, b.data(data))
    const run = b.strata(store, 'migrate', '--to', FIRST)
    const dir = b.fresh()
    const copy = join(dir, 'data')
    cpSync(b.data(data), copy, { recursive: true })
    // The copy that the script makes first is its backup; git has one of its own.
    const other = sum(
      gitCommit(b, dir, copy),
      b.node(peer('naive.mjs'), copy, join(dir, 'backup')),
      git(b, dir, copy, 'add', '-A'),
      git(b, dir, copy, 'commit', '-qm', 'step'),
    )
    return { ours: { ...run, disk: b.bytes(store) }, peer: { ...other, disk: b.bytes(dir) } }
  },
})

const limitRow = (data, workers, target) => ({
  id: `limit-${data}${workers === undefined ? '' : '-one-thread'}`,
  work: `one step of every file, ${data}${workers === undefined ? '' : ', workers off'}`,
  against: 'the bare limit, one thread',
  target,
  once: (b) => {
    const store = captured(b, b.data(data))
    const run = b.node(ours('migrate.mjs'), store, FIRST, ...(workers === undefined ? [] : [String(workers)]))
    return { ours: run, peer: b.node(peer('limit.mjs'), b.data(data), join(b.fresh(), 'out')) }
  },
})

const MEMBER = '"latency_ms": '

/** Another digit in the newest day, in place: a day of 2 GB is no text. */
const editOne = (store) => {
  const { directory } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8'))
  const folder = join(store, directory, 'data')
  const fd = openSync(join(folder, readdirSync(folder).sort().at(-1)), 'r+')
  try {
    const head = Buffer.alloc(65_536)
    const at = head.subarray(0, readSync(fd, head, 0, head.length, 0)).indexOf(MEMBER) + MEMBER.length
    writeSync(fd, String((head[at] % 9) + 1), at)
  } finally {
    closeSync(fd)
  }
}

const oneRow = (id, work, data) => ({
  id,
  work,
  against: 'the full migration',
  target: 0.03,
  once: (b) => {
    const store = captured(b, data(b))
    const full = b.strata(store, 'migrate', '--to', FIRST)
    b.strata(store, 'rollback')
    editOne(store)
    return { ours: b.strata(store, 'migrate', '--to', FIRST), peer: full }
  },
})

const MEASURED = ['init', 'checkpoint', 'verify', 'restore', 'migrate', 'rollback', 'redo', 'gc']

/** One store through every command, each measured: what it keeps from one to the next is what a user's store has, too. */
const peaks = new Map()
const peaksOf = (b, data) => {
  if (peaks.has(data)) return peaks.get(data)
  const { store, run } = init(b, b.data(data))
  const found = { init: run.memory }
  editOne(store)
  const there = join(b.fresh(), 'there')
  for (const command of MEASURED.slice(1))
    found[command] = b.strata(store, command, ...(command === 'restore' ? ['@', '--to', there] : [])).memory
  peaks.set(data, found)
  return found
}

const memoryRows = (data) =>
  MEASURED.map((command) => ({
    id: `memory-${data}-${command}`,
    work: `peak memory of ${command}, ${data}`,
    against: null,
    unit: 'MB',
    target: 150,
    repeat: 1,
    once: (b) => {
      const memory = peaksOf(b, data)[command]
      return { value: memory === null ? null : memory / 1e6 }
    },
  }))

const wholeProcess = (command, target) => ({
  id: command,
  work: `${command}, whole process, 10,000 files`,
  against: 'node -e 0',
  target,
  repeat: 7,
  prepare: (b) => join(migratedMany(b), 'store'),
  once: (b, store) => ({ ours: b.strata(store, command), peer: b.run(process.execPath, ['-e', '0']) }),
})

const flipRow = (files) => ({
  id: `switch-${files}`,
  work: `switch, ${files.toLocaleString('en-US')} files`,
  against: 'durable write of one file',
  target: 3,
  once: (b) => {
    const store = migratedTo(b, b.small(files), FIRST)
    return {
      ours: { ms: Number(b.node(ours('flip.mjs'), store).stdout) },
      peer: { ms: Number(b.node(peer('durable-write.mjs'), b.fresh()).stdout) },
    }
  },
})

export const ROWS = [
  captureRow('big', 'restic', 0.9),
  captureRow('many', 'restic', 0.9),
  captureRow('big', 'git', 0.4),
  captureRow('many', 'git', 0.4),
  captureRow('many', 'isogit', null),
  {
    id: 'restore-big',
    work: 'restore of a whole snapshot from the repository, big',
    against: 'git checkout',
    needs: ['git'],
    target: 0.5,
    prepare: (b) => {
      const [store, dir] = [captured(b, b.data('big')), b.fresh()]
      gitCommit(b, dir, b.data('big'))
      return { store, dir }
    },
    once: (b, { store, dir }) => {
      const [ours, theirs] = [b.fresh(), b.fresh()]
      const run = b.strata(store, 'restore', '@', '--to', join(ours, 'data'))
      const other = git(b, dir, theirs, 'checkout', '-f', '-q', 'HEAD')
      for (const made of [ours, theirs]) rmSync(made, { recursive: true })
      return { ours: run, peer: other }
    },
  },
  {
    id: 'checkpoint-quiet',
    work: 'checkpoint with nothing changed, 10,000 files',
    against: 'restic backup',
    needs: ['restic'],
    target: 0.3,
    prepare: (b) => {
      const [store, dir] = [captured(b, b.data('many')), b.fresh()]
      restic(b, dir, 'init')
      restic(b, dir, 'backup', b.data('many'))
      return { store, dir }
    },
    once: (b, { store, dir }) => ({ ours: b.strata(store, 'checkpoint'), peer: restic(b, dir, 'backup', b.data('many')) }),
  },
  stepRow('days'),
  stepRow('many'),
  limitRow('days', undefined, 0.8),
  limitRow('many', undefined, 0.8),
  limitRow('days', 0, 1.3),
  limitRow('many', 0, 1.3),
  {
    id: 'chain-big',
    work: 'whole chain, big',
    against: 'naive script for each step, git commit between',
    needs: ['git'],
    target: 0.3,
    repeat: 1,
    once: (b) => {
      const store = captured(b, b.data('big'))
      const steps = b.versions.length - 1
      const run = b.strata(store, 'migrate')
      const dir = b.fresh()
      const copy = join(dir, 'data')
      cpSync(b.data('big'), copy, { recursive: true })
      const parts = [gitCommit(b, dir, copy)]
      // The script's first step stands for each: the others read, change and write the same files.
      for (let i = 0; i < steps; i++) {
        const backup = join(dir, `backup-${i}`)
        parts.push(b.node(peer('naive.mjs'), copy, backup))
        rmSync(copy, { recursive: true })
        cpSync(backup, copy, { recursive: true })
        parts.push(git(b, dir, copy, 'add', '-A'), git(b, dir, copy, 'commit', '-qm', `step ${i}`, '--allow-empty'))
      }
      return { ours: run, peer: sum(...parts) }
    },
  },
  oneRow('one-of-big', 'one changed file of the 4,000 of big, migrate again', (b) => b.data('big')),
  oneRow('one-of-small', 'one changed file of 4,000 small ones, migrate again', (b) => b.small(4000)),
  flipRow(10),
  flipRow(10_000),
  {
    id: 'rollback',
    work: 'rollback, nothing changed, 10,000 files, whole process',
    against: 'node -e 0',
    target: 3,
    repeat: 7,
    prepare: (b) => join(migratedMany(b), 'store'),
    once: (b, store) => {
      const run = b.strata(store, 'rollback')
      b.strata(store, 'redo')
      return { ours: run, peer: b.run(process.execPath, ['-e', '0']) }
    },
  },
  wholeProcess('status', 1.3),
  wholeProcess('path', 1.3),
  {
    id: 'open-long-journal',
    work: 'open (plan) with a journal of 100,000 events',
    against: 'with 10 events',
    target: 1.5,
    repeat: 5,
    prepare: (b) => {
      const [long, short] = [captured(b, b.small(10)), captured(b, b.small(10))]
      b.node(ours('long-journal.mjs'), long, String(Math.max(100, Math.round(100_000 * b.part))))
      return { long, short }
    },
    once: (b, { long, short }) => ({ ours: b.strata(long, 'plan'), peer: b.strata(short, 'plan') }),
  },
  {
    id: 'verify-active',
    work: 'verify of the active directory alone, big',
    against: 'sha256sum of the same files',
    target: 0.4,
    prepare: (b) => captured(b, b.data('big')),
    once: (b, store) => ({
      ours: b.strata(store, 'verify', '--active'),
      peer: b.run('sh', ['-c', 'find "$1" -type f -print0 | xargs -0 sha256sum > /dev/null', 'sh', join(store, 'snapshots')]),
    }),
  },
  {
    id: 'pause',
    work: 'pause of an online migration by one step, 4,000 files, 100 records written a second',
    against: null,
    unit: 'ms',
    target: 100,
    once: (b) => ({ value: Number(b.node(ours('pause.mjs'), captured(b, b.small(4000)), FIRST).stdout) }),
  },
  {
    id: 'pause-chain',
    work: 'the same through the whole chain, five steps',
    against: null,
    unit: 'ms',
    target: 100,
    once: (b) => ({ value: Number(b.node(ours('pause.mjs'), captured(b, b.small(4000))).stdout) }),
  },
  ...[
    ['status', (b, store) => b.strata(store, 'status')],
    ['history', (b, store) => b.strata(store, 'history')],
    ['git-log', (b, store) => b.run('git', ['-C', join(store, 'repo.git'), 'log', '--oneline', '-100', 'HEAD'])],
  ].map(([name, look]) => ({
    id: `${name}-checkpoints`,
    work: `${name} with 10,000 checkpoints`,
    against: 'with 10',
    target: 2,
    repeat: 5,
    prepare: (b) => ({ long: b.checkpointed(10_000), short: b.checkpointed(10) }),
    once: (b, { long, short }) => ({ ours: look(b, long), peer: look(b, short) }),
  })),
  {
    id: 'restart-after-kill',
    work: 'next start after a kill -9 in the middle of migrate, recovery included',
    against: 'a normal start (checkpoint)',
    target: null,
    once: (b) => {
      const [killed, normal] = [captured(b, b.data('many')), captured(b, b.data('many'))]
      b.killed(killed, 'migrate')
      return { ours: b.strata(killed, 'checkpoint'), peer: b.strata(normal, 'checkpoint') }
    },
  },
  {
    id: 'verify-all',
    work: 'verify of everything, big',
    against: 'restic check --read-data',
    needs: ['restic'],
    target: 1.3,
    repeat: 1,
    once: (b) => {
      const [store, dir] = [captured(b, b.data('big')), b.fresh()]
      restic(b, dir, 'init')
      restic(b, dir, 'backup', b.data('big'))
      return { ours: b.strata(store, 'verify'), peer: restic(b, dir, 'check', '--read-data') }
    },
  },
  {
    id: 'repository-size',
    work: 'repository size, big, three snapshots',
    against: 'restic repository',
    needs: ['restic'],
    unit: 'bytes',
    target: 1.3,
    repeat: 1,
    once: (b) => {
      const store = captured(b, b.data('big'))
      const dir = b.fresh()
      restic(b, dir, 'init')
      const backUp = () => {
        const { directory } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8'))
        restic(b, dir, 'backup', join(store, directory))
      }
      backUp()
      for (const version of b.versions.slice(1, 3)) {
        b.strata(store, 'migrate', '--to', version)
        backUp()
      }
      return { ours: { ms: b.bytes(join(store, 'repo.git')) }, peer: { ms: b.bytes(join(dir, 'restic')) } }
    },
  },
  ...memoryRows('big'),
  ...memoryRows('one'),
]

/** How each command's cost grows: milliseconds at so many files, and at so many snapshots. */
export const GROWTH = {
  files: [1000, 4000, 16_000],
  snapshots: [1, 10, 100],
  ofFiles: (b, files) => {
    const data = b.small(files)
    const { store, run } = init(b, data)
    const result = {
      init: run.ms,
      'checkpoint (quiet)': b.strata(store, 'checkpoint').ms,
      migrate: b.strata(store, 'migrate', '--to', FIRST).ms,
    }
    const commands = {
      rollback: ['rollback'],
      redo: ['redo'],
      verify: ['verify'],
      status: ['status'],
      path: ['path'],
      history: ['history'],
    }
    for (const [name, words] of Object.entries(commands)) result[name] = b.strata(store, ...words).ms
    return result
  },
  ofSnapshots: (b, snapshots) => {
    const store = captured(b, b.small(100))
    for (let i = 0; i < snapshots; i++) {
      b.strata(store, 'migrate', '--to', FIRST)
      b.strata(store, 'rollback')
      // An edit, so that the next migration cannot be a redo.
      editOne(store)
    }
    const result = {}
    for (const command of ['checkpoint', 'migrate', 'rollback', 'status', 'path', 'history', 'verify']) {
      const words = command === 'migrate' ? ['migrate', '--to', FIRST] : [command]
      result[command] = b.strata(store, ...words).ms
    }
    return result
  },
}
