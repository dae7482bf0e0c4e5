import { capture } from './task-capture.ts'
import { extract } from './task-extract.ts'
import { recall } from './task-recall.ts'
import { transform } from './task-transform.ts'
import type { Result, Task, TaskEnv } from './task-types.ts'
import { verify } from './task-verify.ts'

export const runTask = (env: TaskEnv, task: Task): Result => {
  switch (task.type) {
    case 'capture':
      return capture(env, task)
    case 'transform':
      return transform(env, task)
    case 'extract':
      return extract(env, task)
    case 'recall':
      return recall(env, task)
    case 'verify':
      return verify(env, task)
  }
}
