import { createServer, type Server } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { CommandReply, CommandRequest } from '../control_plane.ts'
import { grpcEdge } from '../testing/edge.ts'
import { type FakeControlPlane, TOKEN } from '../testing/fake_control_plane.ts'
import { type CliResult, cli } from './testing_cli.ts'

const create = ['toy', 'create-box', '--project', 'demo', '--name', 'first', '--size', '3', '--sealed']

function run(argv: readonly string[], ...servers: readonly string[]): Promise<CliResult> {
  return cli(argv, { env: { ULTRACLOUD_SERVER: servers.join(','), ULTRACLOUD_TOKEN: TOKEN } })
}

/** Where nothing listens: a port that was free a moment ago. */
async function nowhere(): Promise<string> {
  const server = createServer()
  const address = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  return address
}

/** A member that takes every connection and then dies with it. */
async function dying(): Promise<string> {
  const server = createServer((socket) => {
    socket.once('data', () => socket.destroy())
    socket.on('error', () => undefined)
  })
  onTestFinished(() => void server.close())
  return await listening(server)
}

function listening(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as { port: number }).port}`))
  })
}

/** Runs the commands that a cloud is given, and then loses the first answers. */
function losing(control: FakeControlPlane, answers: number, rejection: Rejection): readonly string[] {
  const submit = control.submit.bind(control)
  const ids: string[] = []
  const known = new Map<string, CommandReply>()
  control.submit = async (request: CommandRequest): Promise<CommandReply> => {
    const id = request.commandId ?? ''
    ids.push(id)
    const before = known.get(id)
    const reply = before === undefined ? await submit(request) : { ...before, duplicate: true }
    known.set(id, reply)
    if (ids.length <= answers) throw rejection
    return reply
  }
  return ids
}

describe('a cloud that can not be reached', () => {
  it('ends a read with 3, and says what was tried', async () => {
    const [one, two] = [await nowhere(), await nowhere()]
    const { code, stdout, stderr } = await run(['status'], one, two)
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toContain(`${one}: connection refused; ${two}: connection refused`)
    expect(stderr).toContain('ultracloud up')
  })

  it('ends a command with 3 when nothing was sent', async () => {
    const { code, stderr } = await run([...create, '--timeout', '1s'], await nowhere())
    expect(code).toBe(3)
    expect(stderr).toContain('trying again with the same command id')
  })

  it('ends a read with 3 when a member takes the connection and then says nothing', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined))
    const address = await listening(silent)
    onTestFinished(() => void silent.close())
    const { code, stderr } = await run(['status', '--timeout', '500ms'], address)
    expect({ code, stderr }).toEqual({ code: 3, stderr: 'error: TIMEOUT: no answer came in time\n' })
  })

  it('is not where the next member is up', async () => {
    const { address, control } = await grpcEdge()
    expect(await run(create, await nowhere(), address)).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['status'], await nowhere(), address)).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['status'], await dying(), address)).toMatchObject({ code: 0 })
    expect(control.entries).toHaveLength(1)
  })
})

describe('a command without an answer', () => {
  it('is said again with the same id, and happens once', async () => {
    const { address, control } = await grpcEdge()
    const ids = losing(control, 2, new Rejection('OUTCOME_UNKNOWN', 'leadership was lost'))
    const { code, stdout, stderr } = await run(create, address)
    expect(code).toBe(0)
    expect(stdout).toContain('as it was answered before')
    expect(stderr).toContain(`leadership was lost; trying again with the same command id ${ids[0] ?? ''}`)
    expect(new Set(ids).size).toBe(1)
    expect(ids).toHaveLength(3)
    expect(control.entries).toHaveLength(1)
  })

  it('is said to the next member when the first dies over it', async () => {
    const { address, control } = await grpcEdge()
    expect(await run(create, await dying(), address)).toMatchObject({ code: 0 })
    expect(control.entries).toHaveLength(1)
  })

  it('ends with 4 and the id to go on with', async () => {
    const { code, stdout, stderr } = await run([...create, '--timeout', '1s'], await dying())
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/error: OUTCOME_UNKNOWN: /)
    expect(stderr).toMatch(/Say it again with --command-id [0-9a-f-]{36}/)
  })

  it('ends with 4 also when nobody can be reached after it was sent', async () => {
    const { address, control, server } = await grpcEdge()
    control.submit = async () => {
      void server.close(0)
      throw new Rejection('OUTCOME_UNKNOWN', 'this member is stopping')
    }
    expect(await run([...create, '--timeout', '1500ms'], address)).toMatchObject({ code: 4 })
  })

  it('waits for a leader, for a bounded time', async () => {
    const { address, control } = await grpcEdge()
    const ids = losing(control, 1, new Rejection('NOT_LEADER', 'an election is under way'))
    expect(await run(create, address)).toMatchObject({ code: 0 })
    expect(ids).toHaveLength(2)
    control.submit = async () => {
      throw new Rejection('NOT_LEADER', 'an election is under way')
    }
    const { code, stderr } = await run([...create, '--timeout', '1s'], address)
    expect(code).toBe(3)
    expect(stderr).toContain('error: NOT_LEADER: an election is under way')
  })

  it('is not said again when it was refused', async () => {
    const { address, control } = await grpcEdge()
    const ids = losing(control, 9, new Rejection('QUOTA_EXCEEDED', 'no more boxes', { limit: 3 }))
    const { code, stderr } = await run(create, address)
    expect({ code, ids: ids.length }).toEqual({ code: 1, ids: 1 })
    expect(stderr).toBe('error: QUOTA_EXCEEDED: no more boxes\n  limit: 3\n')
  })
})
