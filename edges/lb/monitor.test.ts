import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { MonitorRow } from './listener-row.ts'
import {
  Cleanup,
  freePort,
  httpPeer,
  member,
  open,
  readAll,
  row,
  run,
  tcpPeer,
  until,
} from './test-support.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const monitor: MonitorRow = {
  type: 'HTTP',
  intervalMilliseconds: 20,
  timeoutMilliseconds: 1_000,
  rise: 2,
  fall: 3,
  path: '/health',
  expectedCodes: '200,204',
}

describe('HTTP checks', () => {
  test('a member that answers wrongly goes offline after `fall` checks and comes back after `rise`, with reasons', async () => {
    let code = 200
    const checks: number[] = []
    const peer = await httpPeer(cleanup, (request, response) => {
      expect(request.url).toBe('/health')
      expect(request.headers['user-agent']).toBe('ultracloud-health-check')
      checks.push(code)
      response.writeHead(code).end()
    })
    const { health, status } = await run(cleanup, row([member('a', peer.port)], { monitor }))
    expect(status().members[0]?.health).toBeNull()
    await until('online', () => health.length === 1)
    await until('a few checks more', () => checks.length > 5)
    code = 500
    await until('offline', () => health.length === 2)
    expect(checks.filter((check) => check === 500)).toHaveLength(3)
    code = 204
    await until('online again', () => health.length === 3)
    expect(checks.filter((check) => check === 204)).toHaveLength(2)
    const url = `GET http://127.0.0.1:${peer.port}/health`
    expect(health).toEqual([
      { listener: 'listener-web', member: 'member-a', health: 'ONLINE', reason: `${url}: answered 200` },
      {
        listener: 'listener-web',
        member: 'member-a',
        health: 'OFFLINE',
        reason: `${url}: answered 500, expected 200,204`,
      },
      { listener: 'listener-web', member: 'member-a', health: 'ONLINE', reason: `${url}: answered 204` },
    ])
  })

  test('a member that never answers is offline at the first check, which ends in time', async () => {
    const peer = await tcpPeer(cleanup, (socket) => void socket.resume())
    const slow = { ...monitor, timeoutMilliseconds: 100 }
    const { health } = await run(cleanup, row([member('a', peer.port)], { monitor: slow }))
    await until('offline', () => health.length === 1)
    expect(health[0]).toMatchObject({
      health: 'OFFLINE',
      reason: expect.stringContaining('no answer within 100 ms'),
    })
  })
})

test('TCP checks: a member that stops is left out, and taken in again when it is back', async () => {
  const first = await httpPeer(cleanup, (_request, response) => response.end('first'))
  const second = await httpPeer(cleanup, (_request, response) => response.end('second'))
  const members = [member('first', first.port), member('second', second.port)]
  const tcp = { ...monitor, type: 'TCP' as const }
  const { port, health, status } = await run(cleanup, row(members, { monitor: tcp }))
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text()
  await until('both online', () => health.length === 2)
  await first.stop()
  await until('first offline', () => status().members[0]?.health === 'OFFLINE')
  expect(health.at(-1)?.reason).toContain('refused')
  expect(new Set(await Promise.all(Array.from({ length: 6 }, ask)))).toEqual(new Set(['second']))
  await second.stop()
  await until('second offline', () => status().members[1]?.health === 'OFFLINE')
  expect(status().conditions).toEqual([expect.objectContaining({ code: 'NO_MEMBER_AVAILABLE' })])
  const answer = await fetch(`http://127.0.0.1:${port}/`)
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({ code: 'NO_MEMBER_AVAILABLE' })
  await httpPeer(cleanup, (_request, response) => response.end('first'), first.port)
  await until('first online', () => status().members[0]?.health === 'ONLINE')
  expect(await ask()).toBe('first')
  expect(status().connections.refused).toBe(0)
})

test('connects that fail under traffic count as checks: no check is waited for', async () => {
  const port = await freePort()
  const peer = await tcpPeer(cleanup, (socket) => socket.end('up'))
  const held = await tcpPeer(cleanup, (socket) => socket.end(), port)
  const rare = { ...monitor, type: 'TCP' as const, intervalMilliseconds: 60_000, fall: 2 }
  const members = [member('dead', port), member('up', peer.port)]
  const running = await run(cleanup, row(members, { protocol: 'TCP', monitor: rare }))
  await until('both online', () => running.health.length === 2)
  await held.stop()
  for (let turn = 0; turn < 6; turn += 1) expect(await readAll(await open(cleanup, running.port))).toBe('up')
  await until('reported', () => running.health.length === 3)
  expect(running.health[2]).toMatchObject({ member: 'member-dead', health: 'OFFLINE' })
  expect(running.health[2]?.reason).toContain('for a client: connection refused')
  expect(running.status().members[0]?.connectFailures).toBe(2)
})

test('only transitions are reported: drain, weight 0, monitor taken away, the same row again', async () => {
  const peer = await httpPeer(cleanup, (_request, response) => response.end())
  const web = row([member('a', peer.port)], { monitor })
  const { apply, health } = await run(cleanup, web)
  await until('online', () => health.length === 1)
  await apply(web)
  await apply({ ...web, members: [member('a', peer.port, { drain: true })] })
  await apply({ ...web, members: [member('a', peer.port, { weight: 0 })] })
  await apply(web)
  await apply({ ...web, monitor: null })
  await apply({ ...web, monitor: null })
  await until('all reported', () => health.length === 4)
  expect(health.map((change) => change.health)).toEqual(['ONLINE', 'DRAINING', 'ONLINE', 'NO_MONITOR'])
})

test('other thresholds or another path keep the health known', async () => {
  const peer = await httpPeer(cleanup, (request, response) =>
    response.writeHead(request.url === '/b' ? 200 : 500).end(),
  )
  const web = row([member('a', peer.port)], { monitor })
  const { apply, health, status } = await run(cleanup, web)
  await until('offline', () => health.length === 1)
  await apply({ ...web, monitor: { ...monitor, path: '/b', rise: 3, intervalMilliseconds: 50 } })
  expect(status().members[0]?.health).toBe('OFFLINE')
  await until('online', () => health.length === 2)
  expect(health.map((change) => change.health)).toEqual(['OFFLINE', 'ONLINE'])
})

test('a balancer without file descriptors says so, and does not blame its members', async () => {
  const peer = await tcpPeer(cleanup, (socket) => socket.end())
  const script = fileURLToPath(new URL('./exhaustion-child.ts', import.meta.url))
  const limited = 'ulimit -n 64 && exec "$0" "$@"'
  const child = spawn('sh', ['-c', limited, process.execPath, script, String(peer.port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  cleanup.add(() => void child.kill('SIGKILL'))
  const health = await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`the balancer ended with ${code}`)))
  })
  expect(health).toMatchObject([
    { health: 'ONLINE' },
    { health: 'ERROR', reason: expect.stringContaining('the balancer has no file descriptors left') },
  ])
})
