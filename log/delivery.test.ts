import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Delivery } from './delivery.ts'
import type { Follower } from './log.ts'
import type { Entry } from './raft/types.ts'

const ENTRIES = 40
const entries = Array.from({ length: ENTRIES }, (_, at): Entry => {
  return { index: at + 1, term: 1, kind: 'data', payload: Buffer.alloc(0) }
})

function delivering(): { readonly delivery: Delivery; readonly failures: unknown[] } {
  const failures: unknown[] = []
  const delivery = new Delivery(1000, {
    read: (from, to) => entries.slice(from - 1, Math.min(to, from + 15)),
    progress: () => undefined,
    failed: (error) => failures.push(error),
  })
  return { delivery, failures }
}

async function delivered(follower: (got: Entry[]) => Follower): Promise<readonly number[]> {
  const { delivery, failures } = delivering()
  const got: Entry[] = []
  delivery.follow(1, follower(got))
  delivery.advance(ENTRIES)
  for (let turn = 0; turn < 1000 && got.length < ENTRIES; turn++) await nextTurn()
  expect(failures).toEqual([])
  expect(delivery.applied()).toBe(ENTRIES)
  return got.map(({ index }) => index)
}

const all = entries.map(({ index }) => index)

test('a follower gets every entry once, in order', async () => {
  expect(await delivered((got) => (some) => void got.push(...some))).toEqual(all)
})

test('what a follower does not take comes again, and nothing that it took', async () => {
  expect(
    await delivered((got) => (some) => {
      const taken = some.slice(0, 3)
      got.push(...taken)
      return taken.length
    }),
  ).toEqual(all)
})

test('a follower that takes long for each entry leaves turns of the event loop in between', async () => {
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const got = await delivered((taken) => (some) => {
    taken.push(some[0] as Entry)
    const until = performance.now() + 6
    while (performance.now() < until);
    return 1
  })
  clearInterval(counting)
  expect(got).toEqual(all)
  expect(turns).toBeGreaterThan(ENTRIES / 4)
})

test('a follower that promises gets the next entries once it has kept it', async () => {
  let busy = 0
  const got = await delivered((taken) => async (some) => {
    busy++
    expect(busy).toBe(1)
    await nextTurn()
    taken.push(...some)
    busy--
  }).catch((error: unknown) => error)
  expect(got).toEqual(all)
})
