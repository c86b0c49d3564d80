import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Registry } from '../../domains/kernel/registry.ts'
import { loadDomains } from '../../domains/load.ts'
import { type CliResult, cli } from '../../edges/cli/testing_cli.ts'
import { runTool, type ToolResult } from '../../edges/testing/run_tool.ts'
import { bootstrap } from '../../main/bootstrap.ts'
import { Connection } from '../../main/daemons/connection.ts'
import { type MemberNode, startMember } from '../../main/node.ts'
import { until } from '../failover/until.ts'
import { EXPIRED_DAYS, type Paper, Papers } from './papers.ts'

const WAIT_MS = 15_000
const CURL_NOT_VERIFIED = 60
let papers: Papers
let paper: Paper
let directory: string
let node: MemberNode
let registry: Registry
let token: string
const warnings: string[] = []

beforeAll(async () => {
  papers = await Papers.make('one')
  paper = await papers.member(1)
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-tls-node-'))
  registry = await loadDomains()
  const free = '127.0.0.1:0'
  node = await startMember({
    directory,
    config: {
      listen: { grpc: free, rest: free, peer: free, etcd: free },
      tls: { caFile: paper.caFile, ...paper.own },
    },
    registry,
    onFatal: (error) => warnings.push(error.message),
    warn: (message) => warnings.push(message),
  })
  const tokenFile = join(directory, 'admin.token')
  await bootstrap(node, tokenFile)
  token = (await readFile(tokenFile, 'utf8')).trim()
})

afterAll(async () => {
  await node?.close()
  await papers?.remove()
  await rm(directory, { recursive: true, force: true })
})

function curl(...args: string[]): Promise<ToolResult> {
  return runTool('curl', ['-sS', '--max-time', '10', ...args])
}

function sClient(address: string, ...args: string[]): Promise<ToolResult> {
  return runTool('sh', [
    '-c',
    'exec openssl s_client "$@" </dev/null',
    's_client',
    '-connect',
    address,
    ...args,
  ])
}

function bufCurl(...args: string[]): Promise<ToolResult> {
  return runTool('buf', ['curl', '--protocol', 'grpc', ...args])
}

function status(server: string, ...flags: string[]): Promise<CliResult> {
  return cli(['status', '--server', server, '--timeout', '3s', ...flags], {
    registry,
    env: { ULTRACLOUD_TOKEN: token },
  })
}

async function warned(text: string): Promise<void> {
  await until(
    `a warning: ${text}; there are ${JSON.stringify(warnings)}`,
    WAIT_MS,
    () => warnings.some((warning) => warning.includes(text)) || undefined,
  )
}

describe('clients of others', () => {
  it('openssl s_client: gRPC is HTTP/2 over TLS 1.3 with a certificate for the address', async () => {
    const { code, stdout } = await sClient(
      node.grpcAddress,
      ...['-CAfile', papers.caFile, '-verify_return_error', '-verify_ip', '127.0.0.1', '-alpn', 'h2'],
    )
    expect(code).toBe(0)
    expect(stdout).toContain('Verify return code: 0 (ok)')
    expect(stdout).toContain('ALPN protocol: h2')
    expect(stdout).toContain('New, TLSv1.3')
    expect(stdout).not.toContain('No client certificate CA names sent')
  })

  it('openssl s_client: TLS before 1.2 is refused', async () => {
    const { code, stderr } = await sClient(
      node.restAddress,
      '-CAfile',
      papers.caFile,
      '-tls1_1',
      '-cipher',
      'ALL:@SECLEVEL=0',
    )
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/protocol version|unsupported protocol/i)
  })

  it('curl --cacert: REST with a token, with or without a certificate of the client’s', async () => {
    const url = `https://${node.restAddress}/api/v1/projects/default/iam/service-accounts`
    const authorized = [
      '--cacert',
      papers.caFile,
      '-H',
      `authorization: Bearer ${token}`,
      '-w',
      '%{http_code}',
    ]
    const { own } = await papers.client('curl')
    const certificate = ['--cert', own.certificateFile, '--key', own.keyFile]
    for (const more of [[], certificate]) {
      const { code, stdout } = await curl(...authorized, ...more, url)
      expect([code, stdout.slice(-3)]).toEqual([0, '200'])
    }
    const { stdout } = await curl('--cacert', papers.caFile, ...certificate, '-w', '%{http_code}', url)
    expect(stdout.slice(-3)).toBe('401')
  })

  it('curl: a client’s certificate that is shown must hold', async () => {
    const { own } = await papers.impostor(1)
    const args = ['--cacert', papers.caFile, '--cert', own.certificateFile, '--key', own.keyFile]
    const { code } = await curl(...args, `https://${node.restAddress}/healthz`)
    expect(code).not.toBe(0)
    await warned('REST: 127.0.0.1: refused: its certificate does not hold')
  })

  it('curl: another authority, and another host name, are refused', async () => {
    const stranger = await curl('--cacert', papers.strangerFile, `https://${node.restAddress}/healthz`)
    expect(stranger.code).toBe(CURL_NOT_VERIFIED)
    const port = node.restAddress.split(':')[1]
    const elsewhere = `https://elsewhere.example:${port}/healthz`
    const named = await curl(
      '--cacert',
      papers.caFile,
      '--resolve',
      `elsewhere.example:${port}:127.0.0.1`,
      elsewhere,
    )
    expect(named.code).toBe(CURL_NOT_VERIFIED)
    expect(named.stderr).toContain('elsewhere.example')
  })

  it('curl: plaintext to a port with TLS gets no answer, and the node says why', async () => {
    expect((await curl(`http://${node.restAddress}/healthz`)).code).not.toBe(0)
    await warned('REST: 127.0.0.1: refused: it does not speak TLS')
  })

  it('buf curl --cacert: gRPC with reflection and health; another authority is refused', async () => {
    const url = `https://${node.grpcAddress}`
    const listed = await bufCurl('--cacert', papers.caFile, '--list-methods', url)
    expect(listed.stdout.split('\n')).toContain('grpc.health.v1.Health/Check')
    const health = await bufCurl('--cacert', papers.caFile, '-d', '{}', `${url}/grpc.health.v1.Health/Check`)
    expect(JSON.parse(health.stdout)).toEqual({ status: 'SERVING' })
    const refused = await bufCurl('--cacert', papers.strangerFile, '--list-methods', url)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('unavailable')
  })
})

describe('the command line', () => {
  it('speaks TLS with --ca-file, or ULTRACLOUD_CA', async () => {
    expect(await status(node.grpcAddress, '--ca-file', papers.caFile)).toMatchObject({ code: 0, stderr: '' })
    const env = { ULTRACLOUD_TOKEN: token, ULTRACLOUD_CA: papers.caFile }
    const byName = node.grpcAddress.replace('127.0.0.1', 'localhost')
    expect(await cli(['status', '--server', byName], { registry, env })).toMatchObject({
      code: 0,
      stderr: '',
    })
  })

  it.each([
    ['without it', () => [], 2, /speaks TLS: give the authorities.*\n.*--ca-file/],
    [
      'with another authority',
      () => ['--ca-file', papers.strangerFile],
      3,
      /issued by no authority that is trusted here/,
    ],
    ['with what is no authority', () => ['--ca-file', paper.own.certificateFile], 2, /is of no authority/],
    [
      'with a file that is not there',
      () => ['--ca-file', '/nowhere/ca.crt'],
      2,
      /--ca-file: .*\/nowhere\/ca\.crt/,
    ],
  ])('%s, says what is wrong', async (_, flags, code, message) => {
    const result = await status(node.grpcAddress, ...flags())
    expect(result.stderr).toMatch(message)
    expect(result.code).toBe(code)
  })

  it('says that a certificate is of another host', async () => {
    const address = node.grpcAddress.replace('127.0.0.1', '127.0.0.2')
    const { own } = await papers.member(1)
    const [cert, key] = [await readFile(own.certificateFile), await readFile(own.keyFile)]
    const server = createServer({ cert, key, ALPNProtocols: ['h2'] })
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(Number(address.split(':')[1]), '127.0.0.2', resolve))
    const { code, stderr } = await status(address, '--ca-file', papers.caFile)
    expect([code, stderr]).toEqual([3, expect.stringContaining('its certificate is of another host')])
  })

  it('takes no server with a certificate of a client’s', async () => {
    const { own } = await papers.client('someone')
    const [cert, key] = [await readFile(own.certificateFile), await readFile(own.keyFile)]
    const server = createServer({ cert, key, ALPNProtocols: ['h2'] })
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const { code, stderr } = await status(address, '--ca-file', papers.caFile)
    expect([code, stderr]).toEqual([3, expect.stringMatching(/purpose/)])
  })
})

describe('a daemon', () => {
  it('without --ca-file says what it lacks, and goes on trying', async () => {
    const lines: string[] = []
    const options = {
      join: [node.grpcAddress],
      token,
      name: 'two',
      log: (line: string) => void lines.push(line),
    } as const
    const connection = await Connection.open(options)
    const host = { name: 'two', vcpus: 1, memoryMebibytes: 1024, acceleration: 'tcg' }
    const refused = expect(connection.command('vm.RegisterHost', host)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    await until('it knows why', WAIT_MS, () => lines[1])
    await connection.close()
    await refused
    expect(lines).toEqual([
      expect.stringMatching(/^vm\.RegisterHost is tried until it gets through: /),
      `${node.grpcAddress} speaks TLS: give the authorities that its certificate is of, with --ca-file or ULTRACLOUD_CA`,
    ])
  })
})

describe('a node that runs', () => {
  it('takes up new certificates without a restart, an expired one, too, and says so', async () => {
    const old = await papers.member(1)
    await copyFile(paper.own.certificateFile, old.own.certificateFile)
    await copyFile(paper.own.keyFile, old.own.keyFile)
    const use = async ({ own }: Paper): Promise<void> => {
      await copyFile(own.keyFile, paper.own.keyFile)
      await copyFile(own.certificateFile, paper.own.certificateFile)
    }
    await use(await papers.member(1, { days: EXPIRED_DAYS }))
    const health = (): Promise<ToolResult> =>
      curl('--cacert', papers.caFile, `https://${node.restAddress}/healthz`)
    const expired = await until('an expired certificate', WAIT_MS, async () => {
      const result = await health()
      return result.code === 0 ? undefined : result
    })
    expect([expired.code, expired.stderr]).toEqual([CURL_NOT_VERIFIED, expect.stringContaining('expired')])
    expect(warnings.some((warning) => warning.includes('ended at'))).toBe(true)
    const { code, stderr } = await status(node.grpcAddress, '--ca-file', papers.caFile)
    expect([code, stderr]).toEqual([3, expect.stringContaining('its certificate has expired')])
    await use(old)
    await until('a good certificate', WAIT_MS, async () => ((await health()).code === 0 ? true : undefined))
    expect(await status(node.grpcAddress, '--ca-file', papers.caFile)).toMatchObject({ code: 0, stderr: '' })
  })

  it('stays with its certificates while the files do not fit together, and says so', async () => {
    const { own } = await papers.impostor(1)
    const good = await readFile(paper.own.certificateFile)
    onTestFinished(async () => {
      await copyFile(join(papers.directory, 'good.crt'), paper.own.certificateFile)
    })
    await copyFile(paper.own.certificateFile, join(papers.directory, 'good.crt'))
    await copyFile(own.certificateFile, paper.own.certificateFile)
    expect(good.equals(await readFile(own.certificateFile))).toBe(false)
    await warned('the certificates that were in use stay in use')
    const { code } = await curl('--cacert', papers.caFile, `https://${node.restAddress}/healthz`)
    expect(code).toBe(0)
  })
})

it('a node ends in time although somebody has not begun a handshake', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'ultracloud-tls-node-'))
  onTestFinished(() => rm(elsewhere, { recursive: true, force: true }))
  const free = '127.0.0.1:0'
  const other = await startMember({
    directory: elsewhere,
    config: {
      listen: { grpc: free, rest: free, peer: free, etcd: free },
      tls: { caFile: papers.caFile, ...paper.own },
    },
    registry,
    onFatal: () => undefined,
    warn: () => undefined,
  })
  const sockets = [other.grpcAddress, other.restAddress].map((address) =>
    dial({ host: '127.0.0.1', port: Number(address.split(':')[1]) }).on('error', () => undefined),
  )
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const ended = Promise.all(sockets.map((socket) => once(socket, 'close')))
  const started = performance.now()
  await other.close()
  expect(performance.now() - started).toBeLessThan(6_000)
  await ended
})

it('a node does not start with files that do not fit together', async () => {
  const { own } = await papers.impostor(1)
  const elsewhere = await mkdtemp(join(tmpdir(), 'ultracloud-tls-node-'))
  onTestFinished(() => rm(elsewhere, { recursive: true, force: true }))
  const start = (tls: { caFile: string; certificateFile: string; keyFile: string }) =>
    startMember({
      directory: elsewhere,
      config: { tls },
      registry,
      onFatal: () => undefined,
      warn: () => undefined,
    })
  await expect(start({ caFile: papers.caFile, ...own })).rejects.toThrow('issued by none of the authorities')
  const mixed = { ...paper.own, keyFile: own.keyFile, caFile: papers.caFile }
  await expect(start(mixed)).rejects.toThrow('is not the key of the certificate')
  await expect(start({ ...paper.own, caFile: own.keyFile })).rejects.toThrow('holds no certificate in PEM')
})

it('the command line with --ca-file says that a server speaks plaintext', async () => {
  const plain = await mkdtemp(join(tmpdir(), 'ultracloud-tls-plain-'))
  const free = '127.0.0.1:0'
  const other = await startMember({
    directory: plain,
    config: { listen: { grpc: free, rest: free, peer: free, etcd: free } },
    registry,
    onFatal: () => undefined,
    warn: () => undefined,
  })
  onTestFinished(async () => {
    await other.close()
    await rm(plain, { recursive: true, force: true })
  })
  const { code, stderr } = await status(other.grpcAddress, '--ca-file', papers.caFile)
  expect([code, stderr]).toEqual([3, expect.stringContaining('it does not speak TLS there')])
  expect((await curl('--cacert', papers.caFile, `https://${other.restAddress}/healthz`)).stderr).toMatch(
    /wrong version|packet length/i,
  )
})
