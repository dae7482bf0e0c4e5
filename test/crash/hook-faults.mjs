// Loaded with `--import` before the command line: it wraps node:fs, and at the nth changing call below the store it kills the
// process, or lets the call fail. The plan is in STRATA_FAULT; what was done is appended to its file `log`:
//   armed <thread>            the hook is in this thread
//   hit <n> <call> <path>     the nth call was met
//   end <calls> <of workers>  the process came to its end by itself
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'

/** below: the store. at: which call. mode: before, after, torn (kills); short; an errno. plant: a mistake in the product. */
const plan = JSON.parse(process.env.STRATA_FAULT)
const real = { ...fs }
const { isMainThread, threadId, workerData } = workerThreads
const SHARED = 'strataFaultCounts'
// Calls of all threads, and those of workers: one counter, so that the nth call is the nth of the whole process.
const counts = isMainThread ? new Int32Array(new SharedArrayBuffer(8)) : workerData[SHARED]
const log = (line) => real.appendFileSync(plan.log, `${line}\n`)
log(`armed ${threadId}`)

const kill = () => {
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
const isBelow = (path) => path === plan.below || String(path).startsWith(`${plan.below}/`)
/** Handles of files below the store; true: opened for writing. */
const handles = new Map()
const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants
const writes = (flags) => (typeof flags === 'number' ? (flags & (O_WRONLY | O_RDWR | O_CREAT)) !== 0 : flags !== 'r')

/** Half a write, and a short one, need a call that writes. */
const WRITERS = ['write', 'copyFile']
const counted = (call) => (plan.mode === 'torn' ? WRITERS.includes(call) : plan.mode === 'short' ? call === 'write' : true)
const isHit = (call, path) => {
  if (!counted(call)) return false
  if (!isMainThread) Atomics.add(counts, 1, 1)
  const n = Atomics.add(counts, 0, 1) + 1
  if (n !== plan.at) return false
  log(`hit ${n} ${call} ${path}`)
  return true
}
const errno = (call, path) =>
  Object.assign(new Error(`${plan.mode}: injected, ${call} '${path}'`), { code: plan.mode, syscall: call, path, errno: -1 })

/** Runs a call, or what the plan puts in its place; `half` does half of it, and gives how much. */
const faulty = (call, path, run, half) => {
  if (!isHit(call, path)) return run()
  if (plan.mode === 'before') return kill()
  if (plan.mode === 'torn') return kill(half())
  if (plan.mode === 'short') return half()
  if (plan.mode === 'after') return kill(run())
  // A handle whose close failed is closed.
  if (call === 'close') run()
  throw errno(call, path)
}

const onPath = (call, isOurs = (path) => isBelow(path)) => {
  const inner = real[`${call}Sync`]
  fs[`${call}Sync`] = (...args) => (isOurs(...args) ? faulty(call, args[0], () => inner(...args)) : inner(...args))
}
for (const call of ['mkdir', 'rmdir', 'unlink', 'truncate', 'chmod', 'utimes']) onPath(call)
for (const call of ['rename', 'link']) onPath(call, (from, to) => isBelow(from) || isBelow(to))

fs.openSync = (path, flags = 'r', mode = undefined) => {
  if (!isBelow(path)) return real.openSync(path, flags, mode)
  const fd = writes(flags) ? faulty('open', path, () => real.openSync(path, flags, mode)) : real.openSync(path, flags, mode)
  handles.set(fd, { path, writes: writes(flags) })
  return fd
}
fs.closeSync = (fd) => {
  const handle = handles.get(fd)
  handles.delete(fd)
  return handle?.writes ? faulty('close', handle.path, () => real.closeSync(fd)) : real.closeSync(fd)
}
fs.writeSync = (fd, buffer, offset, length, position) => {
  const write = (most) => real.writeSync(fd, buffer, offset, most, position)
  const handle = handles.get(fd)
  if (handle === undefined) return real.writeSync(fd, buffer, offset, length, position)
  return faulty(
    'write',
    handle.path,
    () => write(length),
    () => write(Math.max(1, length >> 1)),
  )
}
fs.copyFileSync = (from, to, mode) => {
  if (!isBelow(to)) return real.copyFileSync(from, to, mode)
  const half = () => {
    const bytes = real.readFileSync(from)
    real.writeFileSync(to, bytes.subarray(0, bytes.length >> 1))
  }
  return faulty('copyFile', to, () => real.copyFileSync(from, to, mode), half)
}
for (const call of ['fsync', 'fdatasync', 'ftruncate']) {
  const inner = real[`${call}Sync`]
  fs[`${call}Sync`] = (fd, ...rest) => {
    const handle = handles.get(fd)
    return handle === undefined ? inner(fd, ...rest) : faulty(call, handle.path, () => inner(fd, ...rest))
  }
}
fs.fsync = (fd, done) => {
  const path = handles.get(fd)?.path
  if (path === undefined || !isHit('fsync', path)) return real.fsync(fd, done)
  if (plan.mode === 'before') kill()
  if (plan.mode !== 'after') return setImmediate(done, errno('fsync', path))
  return real.fsync(fd, () => kill())
}

// The planted mistake: CURRENT is written over instead of being replaced.
if (plan.plant === 'in place') {
  const rename = fs.renameSync
  fs.renameSync = (from, to) => {
    if (to !== `${plan.below}/CURRENT`) return rename(from, to)
    const bytes = real.readFileSync(from)
    const fd = fs.openSync(to, 'w', 0o600)
    fs.writeSync(fd, bytes, 0, bytes.length, null)
    fs.closeSync(fd)
    fs.unlinkSync(from)
  }
}

if (isMainThread) {
  const { Worker } = workerThreads
  workerThreads.Worker = class extends Worker {
    constructor(url, options) {
      super(url, { ...options, workerData: { ...options?.workerData, [SHARED]: counts } })
    }
  }
  process.on('exit', () => log(`end ${counts[0]} ${counts[1]}`))
}
syncBuiltinESMExports()
