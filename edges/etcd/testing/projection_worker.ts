import { parentPort, workerData } from 'node:worker_threads'
import { Registry } from '../../../domains/kernel/registry.ts'
import kv from '../../../domains/kv/index.ts'
import { serveProjections } from '../../../projections/kernel/worker.ts'
import { keyHistory } from '../../../projections/keys/key_history.ts'

if (parentPort === null) throw new Error('this module runs in a worker')
serveProjections(parentPort, (workerData as { path: string }).path, new Registry([kv]), [], [keyHistory])
