import { parentPort, workerData } from 'node:worker_threads'
import { Registry } from '../../../domains/kernel/registry.ts'
import libraryDomain from '../../../domains/kernel/sample/index.ts'
import type { ToWorker } from '../protocol.ts'
import { serveProjections } from '../worker.ts'
import { shelfPages } from './shelf_pages.ts'

/** A worker that throws when it is asked why a resource called `crash` is as it is, and that ends at the first entry for any file but the first generation's. */
if (parentPort === null) throw new Error('this module runs in a worker')
const { path } = workerData as { path: string }
parentPort.on('message', (message: ToWorker) => {
  const asked = message.type === 'call' && 'name' in message.ask && message.ask.name === 'crash'
  const rebuilt = message.type === 'apply' && !path.includes('/1/')
  if (rebuilt) process.exit(3)
  if (asked) throw new Error('the worker was told to crash')
})
serveProjections(parentPort, path, new Registry([libraryDomain]), [shelfPages])
