import { expect, it } from 'vitest'
import { closeAll } from './close_all.ts'

it('takes every step in order though some fail, and tells the first failure', async () => {
  const taken: number[] = []
  const step = (number: number, fails: boolean) => async (): Promise<void> => {
    taken.push(number)
    if (fails) throw new Error(`step ${number}`)
  }
  const closing = closeAll([step(1, false), step(2, true), step(3, true), step(4, false)])
  await expect(closing).rejects.toThrow('step 2')
  expect(taken).toEqual([1, 2, 3, 4])
  await closeAll([step(5, false)])
})
