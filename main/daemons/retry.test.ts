import { describe, expect, it } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { retried } from './retry.ts'

const never = new AbortController().signal

describe('what is retried', () => {
  it('is done again while nobody answers or the outcome is not known, and then gives its result', async () => {
    const failures = ['UNAVAILABLE', 'OUTCOME_UNKNOWN'] as const
    let attempts = 0
    const action = async (): Promise<string> => {
      const code = failures[attempts++]
      if (code !== undefined) throw new Rejection(code, 'not yet')
      return 'done'
    }
    const waits: string[] = []
    expect(await retried(action, never, ({ code }) => waits.push(code))).toBe('done')
    expect(attempts).toBe(3)
    expect(waits).toEqual(['UNAVAILABLE'])
  })

  it('ends at once with a refusal, and with what is no rejection', async () => {
    for (const error of [new Rejection('NOT_FOUND', 'no such host'), new TypeError('a fault')]) {
      let attempts = 0
      const action = (): Promise<never> => {
        attempts++
        return Promise.reject(error)
      }
      await expect(retried(action, never)).rejects.toBe(error)
      expect(attempts).toBe(1)
    }
  })

  it('ends with UNAVAILABLE when it is aborted: before it began, while it waits, and while nobody answers', async () => {
    const unavailable = { code: 'UNAVAILABLE', message: 'this daemon is stopping' }
    const hanging = (): Promise<never> => new Promise(() => undefined)
    await expect(retried(hanging, AbortSignal.abort())).rejects.toMatchObject(unavailable)
    for (const action of [hanging, () => Promise.reject(new Rejection('UNAVAILABLE', 'nobody answers'))]) {
      const stopping = new AbortController()
      const running = retried(action, stopping.signal)
      setImmediate(() => stopping.abort())
      await expect(running).rejects.toMatchObject(unavailable)
    }
  })
})
