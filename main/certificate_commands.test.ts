import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type CliResult, cli } from '../edges/cli/testing_cli.ts'
import { runTool } from '../edges/testing/run_tool.ts'
import { certificatesIn } from '../log/tls/material.ts'
import { clusterCommand } from './cluster_commands.ts'
import { readConfig } from './config.ts'

let directory: string
const at = (file: string): string => join(directory, file)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-certificates-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const members = ['a', 'b', 'c'].flatMap((name, index) => [
    '--member',
    `${name}=peer-${name}.example:7421,10.0.0.${index + 1}:7420`,
  ])
  expect((await cluster('init', ...members)).code).toBe(0)
})

function cluster(command: string, ...flags: string[]): Promise<CliResult> {
  return cli(['cluster', command, '--directory', directory, ...flags], { extra: [clusterCommand] })
}

async function done(command: string, ...flags: string[]): Promise<void> {
  const { code, stderr } = await cluster(command, ...flags)
  expect([code, stderr]).toEqual([0, ''])
}

async function leafOf(file: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(at(file), 'utf8'))
}

async function trusted(): Promise<readonly X509Certificate[]> {
  return certificatesIn(await readFile(at('ca.crt'), 'utf8'), 'ca.crt')
}

/** What OpenSSL, strict, says of a certificate under the authorities in a file. */
async function verified(file: string, ca: string, purpose: 'sslserver' | 'sslclient'): Promise<boolean> {
  const args = ['-x509_strict', '-purpose', purpose, '-CAfile', at(ca), '-untrusted', at(file), at(file)]
  return (await runTool('openssl', ['verify', ...args])).code === 0
}

describe('the certificates of a new cluster', () => {
  it('are of each member, for every host that its addresses name, a year long', async () => {
    const { cluster: facts } = await readConfig(at('b.json'))
    const leaf = await leafOf('member-b.crt')
    expect(leaf.subjectAltName?.split(', ').sort()).toEqual(
      [
        `URI:ultracloud://${facts?.id}/member/2`,
        'DNS:peer-b.example',
        'IP Address:10.0.0.2',
        'DNS:localhost',
        'IP Address:127.0.0.1',
        'IP Address:0:0:0:0:0:0:0:1',
      ].sort(),
    )
    const days = (leaf.validToDate.getTime() - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(364.9)
    expect(days).toBeLessThan(365.1)
    expect(await verified('member-b.crt', 'ca.crt', 'sslserver')).toBe(true)
    expect(await verified('member-b.crt', 'ca.crt', 'sslclient')).toBe(true)
    expect((await stat(at('ca.crt'))).mode & 0o777).toBe(0o644)
  })
})

describe('cluster issue-certificate', () => {
  it('issues a member’s anew, with another key, for more hosts', async () => {
    const before = await leafOf('member-a.crt')
    await done(
      'issue-certificate',
      '--member',
      'a',
      '--days',
      '20',
      '--host',
      'cloud.example',
      '--host',
      '::2',
    )
    const after = await leafOf('member-a.crt')
    expect(after.subjectAltName).toContain('DNS:cloud.example')
    expect(after.checkHost('cloud.example')).toBe('cloud.example')
    expect(after.checkIP('::2')).toBe('::2')
    expect(after.publicKey.equals(before.publicKey)).toBe(false)
    expect(Math.round((after.validToDate.getTime() - Date.now()) / 86_400_000)).toBe(20)
    expect((await stat(at('member-a.key'))).mode & 0o777).toBe(0o600)
  })

  it('issues a client’s, which no server can be with', async () => {
    await done('issue-certificate', '--client', 'monitoring')
    expect((await leafOf('client-monitoring.crt')).subjectAltName).toMatch(
      /^URI:ultracloud:\/\/[0-9a-f-]{36}\/client\/monitoring$/,
    )
    expect(await verified('client-monitoring.crt', 'ca.crt', 'sslclient')).toBe(true)
    expect(await verified('client-monitoring.crt', 'ca.crt', 'sslserver')).toBe(false)
    await done('issue-certificate', '--client', 'app', '--etcd')
    expect((await leafOf('client-app.crt')).subjectAltName).toMatch(/\/client\/app, URI:.*\/etcd\/app$/)
  })

  it.each([
    ['neither of a member nor of a client', [], 'give --member or --client'],
    ['for the etcd API, to a member', ['--member', 'a', '--etcd'], 'is of a client'],
    ['of both', ['--member', 'a', '--client', 'x'], 'give --member or --client'],
    ['of a member that there is not', ['--member', 'z'], 'z.json'],
    ['of what is no name', ['--client', '../x'], 'a name is 1 to 63 of'],
    ['for no time', ['--client', 'x', '--days', '0'], 'must be a whole number from 1 to 3650'],
    ['for half a day', ['--client', 'x', '--days', '0.5'], 'must be a whole number from 1 to 3650'],
  ])('refuses one %s', async (_, flags, problem) => {
    const { code, stderr } = await cluster('issue-certificate', ...flags)
    expect(code).not.toBe(0)
    expect(stderr).toContain(problem)
  })

  it('needs the authority’s key', async () => {
    await rm(at('ca.key'))
    const { code, stderr } = await cluster('issue-certificate', '--member', 'a')
    expect(code).not.toBe(0)
    expect(stderr).toContain('the authority’s key is needed'.replace('’', "'"))
  })
})

describe('cluster rotate-ca', () => {
  it('has old and new accepted by who trusts either, until it is finished', async () => {
    const old = await trusted()
    await writeFile(at('old.crt'), await readFile(at('ca.crt')))
    await writeFile(at('member-old.crt'), await readFile(at('member-a.crt')))
    await done('rotate-ca')
    const during = await trusted()
    expect(during).toHaveLength(2)
    expect(during[1]?.fingerprint256).toBe(old[0]?.fingerprint256)
    expect(await verified('member-a.crt', 'old.crt', 'sslserver')).toBe(true)
    expect(await verified('member-a.crt', 'ca.crt', 'sslserver')).toBe(true)
    expect(await verified('member-old.crt', 'ca.crt', 'sslserver')).toBe(true)
    await done('issue-certificate', '--client', 'late')
    expect(await verified('client-late.crt', 'old.crt', 'sslclient')).toBe(true)
    await done('rotate-ca', '--finish')
    expect((await trusted()).map(({ fingerprint256 }) => fingerprint256)).toEqual([during[0]?.fingerprint256])
    expect(await verified('member-a.crt', 'ca.crt', 'sslserver')).toBe(true)
    expect(await verified('member-old.crt', 'ca.crt', 'sslserver')).toBe(false)
    await done('issue-certificate', '--client', 'after')
    expect(certificatesIn(await readFile(at('client-after.crt'), 'utf8'), '')).toHaveLength(1)
  })

  it('is not begun twice, and not finished over a certificate of the old authority', async () => {
    const before = await readFile(at('member-b.crt'))
    await done('rotate-ca')
    const twice = await cluster('rotate-ca')
    expect(twice.code).not.toBe(0)
    expect(twice.stderr).toContain('a rotation is under way; end it with --finish')
    await writeFile(at('member-b.crt'), before)
    const early = await cluster('rotate-ca', '--finish')
    expect(early.code).not.toBe(0)
    expect(early.stderr).toContain('member-b.crt is of the old authority')
    expect(await trusted()).toHaveLength(2)
  })

  it('can be taken back where it broke off before the new key was there', async () => {
    const [ca, key] = [await readFile(at('ca.crt'), 'utf8'), await readFile(at('ca.key'))]
    await writeFile(at('member-old.crt'), await readFile(at('member-a.crt')))
    await done('rotate-ca')
    await writeFile(at('ca.key'), key)
    for (const name of ['a', 'b', 'c']) await done('issue-certificate', '--member', name)
    await done('rotate-ca', '--finish')
    expect((await trusted()).map(({ fingerprint256 }) => fingerprint256)).toEqual(
      certificatesIn(ca, '').map(({ fingerprint256 }) => fingerprint256),
    )
    expect(await verified('member-a.crt', 'ca.crt', 'sslserver')).toBe(true)
    await done('rotate-ca')
  })
})
