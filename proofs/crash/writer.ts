/**
 * `node writer.ts DIRECTORY SEED`: appends changes of the model to a real store until it is killed. It prints `ready`, the number of
 * each change before it is queued, and that of each that was acknowledged.
 */
import { writeSync } from 'node:fs'
import { LogStore } from '../../log/storage/store.ts'
import { Random } from '../sim/random.ts'
import { ChangeModel } from './change_model.ts'
import { killIdentity, PAYLOAD_BYTES_MAX } from './kills.ts'

const [directory = '', seed = ''] = process.argv.slice(2)
const failed = (error: Error): never => {
  console.error(error.message)
  process.exit(1)
}
const store = await LogStore.open(directory, killIdentity, failed)
const model = ChangeModel.of(store, new Random(Number(seed)), PAYLOAD_BYTES_MAX)
let acknowledged = 0
writeSync(1, 'ready\n')
for (;;) {
  const batch: Promise<void>[] = []
  for (let count = 0; count < 3; count += 1) {
    const change = model.next()
    writeSync(1, `queued ${model.states.length - 1}\n`)
    batch.push(
      new Promise<void>((done) => {
        store.append(change, () => {
          acknowledged += 1
          writeSync(1, `acknowledged ${acknowledged}\n`)
          done()
        })
      }),
    )
  }
  await Promise.all(batch)
  store.committed(model.commit(store.lastIndex()))
}
