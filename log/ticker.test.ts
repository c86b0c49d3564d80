import { expect, test } from 'vitest'
import { eventually } from './test-cluster.ts'
import { Ticker } from './ticker.ts'

test('ticks follow the clock', async () => {
  let ticks = 0
  const ticker = new Ticker(5, 100, () => {
    ticks += 1
  })
  const began = performance.now()
  ticker.start()
  await eventually('ticks', () => ticks >= 40)
  ticker.stop()
  expect(performance.now() - began).toBeGreaterThanOrEqual(40 * 5 - 5)
})

test('a process that was stopped makes up for few ticks, not for all that it missed', async () => {
  let ticks = 0
  const ticker = new Ticker(5, 4, () => {
    ticks += 1
  })
  ticker.start()
  await eventually('the first tick', () => ticks > 0)
  const before = ticks
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  ticker.stop()
  expect(ticks - before).toBeGreaterThan(0)
  expect(ticks - before).toBeLessThanOrEqual(5)
})
