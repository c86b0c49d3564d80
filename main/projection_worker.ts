import { parentPort, workerData } from 'node:worker_threads'
import { loadDomains } from '../domains/load.ts'
import { serveProjections } from '../projections/kernel/worker.ts'
import { eventProjections, projections } from './projections.ts'

if (parentPort === null) throw new Error('this module runs in a worker')
serveProjections(
  parentPort,
  (workerData as { path: string }).path,
  await loadDomains(),
  projections,
  eventProjections,
)
