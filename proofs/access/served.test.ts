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

test('a filter by a reference takes a uid, and says so', async () => {
  const byName = { kind: 'vm.instance', filter: { host: 'rack-1', image: 'web' } }
  const detail = expect.stringMatching(/host: it takes the uid of a resource, and "rack-1" is none; image: /)
  await expect(cloud.admin.read(byName)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: detail })
  const list = (query: string) => cloud.rest(cloud.adminToken, query)
  expect(await list('/api/v1/vm/instances?host=rack-1&image=web')).toMatchObject({
    status: 400,
    body: { code: 'INVALID_ARGUMENT', detail },
  })
  const uid = '01890a5d-ac96-774b-bcce-b302099a8057'
  expect(await list(`/api/v1/vm/instances?host=${uid}`)).toMatchObject({ status: 200, body: { items: [] } })
  expect(await list('/api/v1/vm/instances?host=')).toMatchObject({ status: 200 })
  expect(await list('/api/v1/iam/projects?organization=nobody')).toMatchObject({ status: 200 })
})
