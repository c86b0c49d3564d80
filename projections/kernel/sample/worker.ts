import { parentPort, workerData } from 'node:worker_threads'
import { Registry } from '../../../domains/kernel/registry.ts'
import libraryDomain from '../../../domains/kernel/sample/index.ts'
import { serveProjections } from '../worker.ts'
import { shelfPages } from './shelf_pages.ts'

if (parentPort === null) throw new Error('this module runs in a worker')
serveProjections(parentPort, (workerData as { path: string }).path, new Registry([libraryDomain]), [
  shelfPages,
])
