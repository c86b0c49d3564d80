import { createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { listening } from './listen_error.ts'

function listen(host: string, port: number): Promise<number> {
  const server = createServer()
  onTestFinished(() => void server.close())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve((server.address() as { port: number }).port))
  })
}

it('says which address is taken, and by what it was to be used', async () => {
  const port = await listen('127.0.0.1', 0)
  const address = `127.0.0.1:${port}`
  await expect(listening('DNS', address, () => listen('127.0.0.1', port))).rejects.toThrow(
    `cannot listen on ${address} (DNS): another process does`,
  )
})

it('says that this machine does not have an address', async () => {
  await expect(listening('REST', '192.0.2.1:80', () => listen('192.0.2.1', 80))).rejects.toThrow(
    'cannot listen on 192.0.2.1:80 (REST): this machine has no such address',
  )
})

it('hands on every other failure, and what was started', async () => {
  const failure = new Error('no disk')
  await expect(listening('gRPC', '127.0.0.1:1', () => Promise.reject(failure))).rejects.toBe(failure)
  expect(await listening('gRPC', '127.0.0.1:0', () => Promise.resolve(7))).toBe(7)
})
