import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { QmpClient, type QmpEvent } from './qmp.ts'

const greeting = '{"QMP": {"version": {}, "capabilities": []}}\r\n'
let scratch: string
let server: Server
let path: string
const sockets = new Set<Socket>()

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-qmp-'))
  path = join(scratch, 'qmp.sock')
})

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  server.close()
  await rm(scratch, { recursive: true, force: true })
})

/** A monitor that answers each command as told: what real QEMU never does, a client must withstand. */
async function serve(
  answer: (command: string, id: number, socket: Socket) => void,
  first = greeting,
): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.write(first)
    socket.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.trim().split('\n')) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number }
        if (execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${id}}\r\n`)
        else answer(execute, id, socket)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
}

const ignoreEvents = (): void => undefined

test('answers are matched by id, whatever their order, and events come in between', async () => {
  const held: (() => void)[] = []
  await serve((command, id, socket) => {
    held.unshift(() => socket.write(`{"return": "${command}", "id": ${id}}\r\n`))
    if (held.length < 2) return
    socket.write('{"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}, "timestamp": {}}\r\n')
    for (const send of held) send()
  })
  const events: QmpEvent[] = []
  const client = await QmpClient.connect(path, (event) => events.push(event))
  expect(await Promise.all([client.execute('one'), client.execute('two')])).toEqual(['one', 'two'])
  expect(events).toEqual([{ event: 'SHUTDOWN', data: { reason: 'guest-shutdown' } }])
  client.close()
  await client.closed
})

test('errors carry what QEMU says; a late answer is dropped', async () => {
  await serve((command, id, socket) => {
    if (command === 'slow') return
    // The answer to the command whose time ran out comes first.
    socket.write('{"return": {}, "id": 2}\r\n')
    socket.write(`{"error": {"class": "GenericError", "desc": "no ${command}"}, "id": ${id}}\r\n`)
  })
  const client = await QmpClient.connect(path, ignoreEvents)
  await expect(client.execute('slow', {}, 50)).rejects.toMatchObject({ code: 'hostd/qmp_timeout' })
  await expect(client.execute('after')).rejects.toMatchObject({
    code: 'hostd/qmp_error',
    message: expect.stringContaining('no after') as string,
  })
  client.close()
})

test('commands in flight fail when the socket closes, and later ones at once', async () => {
  await serve((_command, _id, socket) => socket.destroy())
  const client = await QmpClient.connect(path, ignoreEvents)
  await expect(client.execute('query-status')).rejects.toMatchObject({ code: 'hostd/qmp_closed' })
  await client.closed
  await expect(client.execute('query-status')).rejects.toMatchObject({ code: 'hostd/qmp_closed' })
})

test.each([
  ['text that is not JSON', 'hello\n'],
  ['a line without end', 'x'.repeat(1024 * 1024 + 1)],
])('%s ends the connection', async (_name, garbage) => {
  await serve((_command, _id, socket) => socket.write(garbage))
  const client = await QmpClient.connect(path, ignoreEvents)
  await expect(client.execute('query-status')).rejects.toMatchObject({ code: 'hostd/qmp_protocol' })
  await client.closed
})

test('a monitor that does not greet is given up, and one that is not there', async () => {
  await serve(() => undefined, ' ')
  await expect(QmpClient.connect(path, ignoreEvents, 50)).rejects.toMatchObject({ code: 'hostd/qmp_timeout' })
  await expect(QmpClient.connect(join(scratch, 'none'), ignoreEvents)).rejects.toMatchObject({
    code: 'hostd/qmp_closed',
  })
})

test('no more commands wait at once than the bound', async () => {
  await serve(() => undefined)
  const client = await QmpClient.connect(path, ignoreEvents)
  const waiting = Array.from({ length: 64 }, () => client.execute('slow'))
  await expect(client.execute('one-more')).rejects.toMatchObject({ code: 'hostd/qmp_timeout' })
  client.close()
  const outcomes = await Promise.allSettled(waiting)
  expect(outcomes.every((outcome) => outcome.status === 'rejected')).toBe(true)
})
