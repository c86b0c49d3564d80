import { expect, it } from 'vitest'
import { encodedKeys, encodedLeases, listAnswer } from './big_list.ts'
import { HEAD_BYTES } from './frames.ts'
import { encode } from './messages.ts'

const kinds = [
  {
    message: 'LeaseTimeToLiveResponse',
    fields: { ID: 7, TTL: 5, grantedTTL: 60 },
    at: (number: number) => `key/${'\xff'.repeat(number % 300)}${number}`,
    encoded: encodedKeys,
    listed: (keys: readonly string[]) => ({ keys: keys.map((key) => Buffer.from(key, 'latin1')) }),
  },
  {
    message: 'LeaseLeasesResponse',
    fields: { header: { revision: 5 } },
    at: (number: number) => String(BigInt(number - 10) * 2n ** BigInt(number % 48)),
    encoded: encodedLeases,
    listed: (ids: readonly string[]) => ({ leases: ids.map((ID) => ({ ID })) }),
  },
] as const

for (const { message, fields, at, encoded, listed } of kinds)
  it.each([0, 1, 3000, 4096, 4097, 20_000])(`${message} with a list of %i`, async (count) => {
    const list = Array.from({ length: count }, (_, number) => at(number + 11))
    const counting = (some: readonly string[]): Buffer => {
      expect(some.length).toBeLessThanOrEqual(4096)
      return encoded(some)
    }
    const answer = await listAnswer(encode(message, fields), list, counting)
    const parts: Buffer[] = []
    if (answer instanceof Uint8Array) parts.push(Buffer.alloc(HEAD_BYTES), Buffer.from(answer))
    else for await (const part of answer) parts.push(part)
    const whole = Buffer.concat(parts)
    const expected = encode(message, { ...fields, ...listed(list) })
    expect(whole.subarray(HEAD_BYTES).equals(expected)).toBe(true)
    if (answer instanceof Uint8Array) return
    expect(whole.readUInt32BE(1)).toBe(expected.length)
  })
