import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { TestCloud } from './cloud.ts'

/** Every method that is described is served: it does something, or says what is wrong with the request. */
let cloud: TestCloud

beforeAll(async () => {
  cloud = await TestCloud.start()
})

afterAll(async () => {
  await cloud?.close()
})

/** What a client gets that sends an empty request with every permission: the code of a refusal, or an answer. */
async function answerOf(path: string, stream: boolean): Promise<string> {
  try {
    if (!stream) await cloud.admin.call(path, {})
    else {
      const stop = new AbortController()
      for await (const _ of cloud.admin.stream(path, {}, stop.signal)) stop.abort()
    }
    return 'answered'
  } catch (error) {
    if (error instanceof Rejection) return error.code
    throw error
  }
}

const said = new Set(['answered', 'INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'NOT_FOUND'])

test('no method is a promise only', async () => {
  expect(cloud.api.methods.length).toBeGreaterThan(100)
  for (const { path, method } of cloud.api.methods)
    expect(said, path).toContain(await answerOf(path, method.stream))
  expect(cloud.faults).toEqual([])
})
