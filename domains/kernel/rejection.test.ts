import { readFile } from 'node:fs/promises'
import { status } from '@grpc/grpc-js'
import { expect, it } from 'vitest'
import { codes } from './rejection.ts'

it('has the codes that docs/errors.md explains, with the same statuses', async () => {
  const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d{3}) \| (.+) \|$/gm)].map(
    ([, code, grpc, http]) => [code, grpc, Number(http)],
  )
  expect(documented).toEqual(Object.entries(codes).map(([code, { grpc, http }]) => [code, grpc, http]))
})

it('maps to statuses that gRPC has', () => {
  for (const { grpc } of Object.values(codes)) expect(Object.keys(status)).toContain(grpc)
})
