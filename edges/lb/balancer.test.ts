import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { Cleanup, httpPeer, member, open, readAll, row, run, tcpPeer } from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

test('curl reaches both members in turn over one kept connection', async () => {
  const first = await httpPeer(cleanup, (_request, response) => response.end('first '))
  const second = await httpPeer(cleanup, (_request, response) => response.end('second '))
  const { port, status } = await run(
    cleanup,
    row([member('first', first.port), member('second', second.port)]),
  )
  const url = `http://127.0.0.1:${port}/`
  const { stdout } = await command('curl', ['-sS', url, url, url, url])
  expect(stdout).toBe('first second first second ')
  expect(status().connections.total).toBe(1)
  expect(status().requests).toBe(4)
})

test('a TCP client half-closes and still gets the answer', async () => {
  const peer = await tcpPeer(cleanup, (socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.on('end', () => socket.end(`got ${text}`))
  })
  const { port } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }))
  const client = await open(cleanup, port, true)
  client.end('hello')
  expect(await readAll(client)).toBe('got hello')
})
