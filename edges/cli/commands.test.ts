import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { newCommandId, uuidTime } from '../../domains/kernel/uuid.ts'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { type CliResult, type CliRun, cli } from './testing_cli.ts'

/** A cloud with a fake behind it, and a command line that is told where it is. */
async function cloud() {
  const edge = await grpcEdge()
  const env = { ULTRACLOUD_SERVER: edge.address, ULTRACLOUD_TOKEN: TOKEN, ULTRACLOUD_PROJECT: 'demo' }
  const run = (argv: readonly string[], more: CliRun = {}): Promise<CliResult> =>
    cli(argv, { ...more, env: { ...env, ...more.env } })
  return { ...edge, env, run }
}

const create = ['toy', 'create-box', '--name', 'first', '--size', '3', '--sealed']

describe('a derived command', () => {
  it('is sent with every field in its shape', async () => {
    const { run, control } = await cloud()
    const rules = ['--rules', '[{"port":80,"protocol":"tcp"}]', '--rules', '{"port":53,"protocol":"udp"}']
    const labels = ['--labels', 'tier=web', '--labels', 'a=b=c']
    const rest = ['--ratio', '0.25', '--note=--hello', '--wait', 'projected']
    const { code, stdout, stderr } = await run([...create, ...labels, ...rules, ...rest])
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('ok toy.CreateBox') })
    expect(stdout).toContain('toy.CreateBox is in the log at revision 1')
    expect(stdout).toMatch(/uid +uid-1/)
    expect(control.submitted).toMatchObject([
      {
        type: 'toy.CreateBox',
        wait: 'projected',
        data: {
          project: 'demo',
          name: 'first',
          size: 3,
          sealed: true,
          ratio: 0.25,
          note: '--hello',
          labels: { tier: 'web', a: 'b=c' },
          rules: [
            { port: 80, protocol: 'tcp' },
            { port: 53, protocol: 'udp' },
          ],
        },
      },
    ])
  })

  it('leaves out what was not said, so that the cloud says what counts then', async () => {
    const { run, control } = await cloud()
    await run([...create, '--no-sealed', '--project', 'other'])
    const [request] = control.entries.map((entry) => entry.request)
    expect(request).toMatchObject({ project: 'other', sealed: false, ratio: 0.5, note: null })
  })

  it('tells null, an empty list and silence apart', async () => {
    const { run, control } = await cloud()
    await run(create)
    await run(['toy', 'update-box', '--name', 'first', '--note', 'null', '--rules', '[]'])
    await run(['toy', 'update-box', '--name', 'first', '--size', '4'])
    const [, cleared, changed] = control.entries.map((entry) => entry.request)
    expect(cleared).toEqual({ project: 'demo', name: 'first', note: null, rules: [] })
    expect(changed).toEqual({ project: 'demo', name: 'first', size: 4 })
  })

  it('takes a value from a file', async () => {
    const { run, control } = await cloud()
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-cli-'))
    onTestFinished(async () => await rm(directory, { recursive: true }))
    const file = join(directory, 'rules.json')
    await writeFile(file, '[{"port":22,"protocol":"tcp"}]')
    expect(await run([...create, '--rules', `@${file}`])).toMatchObject({ code: 0 })
    expect(control.entries[0]?.request).toMatchObject({ rules: [{ port: 22, protocol: 'tcp' }] })
    const missing = await run([...create, '--rules', `@${file}.not`])
    expect(missing).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('can not be read') })
  })

  it('shows in a dry run what would happen, and nothing happens', async () => {
    const { run, control } = await cloud()
    const { code, stdout } = await run([...create, '--dry-run'])
    expect(code).toBe(0)
    expect(stdout).toContain('nothing has happened')
    expect(stdout).toMatch(/toy\.BoxCreated {2}project=demo name=first/)
    expect(control.entries).toEqual([])
    const json = await run([...create, '--dry-run', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      dryRun: true,
      events: [{ type: 'toy.BoxCreated', data: { name: 'first' } }],
    })
  })

  it('has a command id that carries its time, or the one given', async () => {
    const { run, control } = await cloud()
    const { stdout } = await run([...create, '-o', 'json'])
    const { commandId } = JSON.parse(stdout) as { commandId: string }
    expect(uuidTime(commandId)).toBeGreaterThan(Date.now() - 60_000)
    const own = newCommandId()
    const update = ['toy', 'update-box', '--name', 'first', '--command-id', own, '--if-revision', '1']
    expect(await run([...update, '-q'])).toMatchObject({ code: 0, stderr: '' })
    expect(control.submitted.map((each) => each.commandId)).toEqual([commandId, own])
    expect(control.submitted[1]).toMatchObject({ ifRevision: 1 })
  })

  it('prints the first of its results alone with -o name', async () => {
    const { run } = await cloud()
    expect(await run([...create, '-o', 'name'])).toEqual({ code: 0, stdout: 'uid-1\n', stderr: '' })
  })
})

describe('a command line that is wrong', () => {
  const wrong: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['an unknown domain', ['tyo', 'create-box'], ["unknown command 'tyo'", 'Did you mean toy?']],
    ['an unknown command', ['toy', 'creat-box'], ['Did you mean create-box?', 'ultracloud toy --help']],
    ['an unknown flag', [...create, '--siez', '3'], ["unknown option '--siez'", 'Did you mean --size?']],
    [
      'what is missing',
      ['toy', 'create-box', '--name', 'x'],
      ['missing: --size <n>, --sealed or --no-sealed'],
    ],
    ['no number', [...create.slice(0, 4), '--size', 'big', '--sealed'], ['--size: "big" is no integer']],
    ['no integer', [...create.slice(0, 4), '--size', '1.5', '--sealed'], ['--size: "1.5" is no integer']],
    ['what the contract refuses', [...create, '--note', 'x'.repeat(65)], ['--note: ', '64']],
    [
      'a list that the contract refuses',
      [...create, '--rules', '{"port":0}'],
      ['--rules (0.port)', '--rules (0.protocol)'],
    ],
    ['no JSON', [...create, '--rules', '{port}'], ['--rules: this is no JSON', 'port: 1 to 65535']],
    ['no pair', [...create, '--labels', 'tier'], ['--labels: "tier" is no key=value']],
    [
      'no choice',
      ['toy', 'update-box', '--name', 'x', '--state', 'opne'],
      ['none of open, in-use', 'Did you mean open?'],
    ],
    ['a flag for a value', ['toy', 'create-box', '--name', '--size', '3'], ['--name needs a value']],
    ['a value twice', [...create, '--name', 'second'], ['--name was given 2 times']],
    ['a command id without a time', [...create, '--command-id', 'once'], ['is no UUIDv7']],
    ['a level that is none', [...create, '--wait', 'comitted'], ['Did you mean committed?']],
    ['no time', [...create, '--timeout', 'soon'], ['--timeout: "soon" is no time between']],
    ['no server', [...create, '--server', 'localhost'], ['"localhost" is no host:port']],
    ['no format', [...create, '-o', 'yml'], ['there is no format "yml"']],
    [
      'an unknown kind',
      ['get', 'boks'],
      ['there is no kind boks', 'Did you mean box or boxes?', 'There are: box, shelf'],
    ],
    [
      'a filter for no field',
      ['get', 'box', '--filter', 'sise=3'],
      ['toy.box has no field sise', 'Did you mean size?'],
    ],
    ['no kind/name', ['why', 'first'], ['"first" is no kind/name']],
    ['diff since never', ['diff'], ['missing: --from <moment>']],
    ['an unknown type', ['log', '--type', 'toy.CreateBoks'], ['Did you mean toy.CreateBox?']],
    ['an unknown shell', ['completion', 'bahs'], ['Did you mean bash?']],
    ['an unknown topic', ['help', 'exit-code'], ['Did you mean exit-codes?']],
    [
      'a token file that is not there',
      [...create, '--token-file', '/nowhere/token'],
      ['--token-file: ENOENT'],
    ],
  ]
  it.each(wrong)('says what would be right: %s', async (_, argv, sentences) => {
    const { run, control } = await cloud()
    const { code, stdout, stderr } = await run(argv)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^error: /)
    expect(stderr).not.toMatch(/\n\s+at /)
    for (const sentence of sentences) expect(stderr).toContain(sentence)
    expect(control.submitted).toEqual([])
  })

  it('takes a choice in any case', async () => {
    const { run, control } = await cloud()
    await run(create)
    expect(await run(['toy', 'update-box', '--name', 'first', '--state', 'IN-USE'])).toMatchObject({
      code: 0,
    })
    expect(control.entries[1]?.request).toMatchObject({ state: 'in-use' })
  })

  it('wants the project to be said somewhere', async () => {
    const { run } = await cloud()
    const none = { env: { ULTRACLOUD_PROJECT: '' } }
    expect(await run(create, none)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/missing: --project <name>\n.*ULTRACLOUD_PROJECT/),
    })
    expect(await run(['--project', 'before', ...create], none)).toMatchObject({ code: 0 })
  })
})

describe('a rejection', () => {
  it('ends with 1, its code, its sentence and its details on stderr', async () => {
    const { run } = await cloud()
    await run(create)
    const { code, stdout, stderr } = await run(create)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe('error: ALREADY_EXISTS: the name first is taken\n  name: first\n')
  })

  it('is JSON where answers are', async () => {
    const { run } = await cloud()
    await run(create)
    const { code, stdout, stderr } = await run([...create, '-o', 'json'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'ALREADY_EXISTS',
        message: 'the name first is taken',
        details: { name: 'first' },
        exitCode: 1,
      },
    })
    const usage = await run(['toy', 'create-box', '-o', 'json'])
    expect(JSON.parse(usage.stderr)).toMatchObject({ error: { code: 'USAGE', exitCode: 2 } })
  })

  it('says where tokens come from when there is no valid one', async () => {
    const { run } = await cloud()
    const { code, stderr } = await run([...create, '--token', 'wrong'])
    expect(code).toBe(1)
    expect(stderr).toContain('UNAUTHENTICATED')
    expect(stderr).toContain('ULTRACLOUD_TOKEN')
  })
})

describe('the token', () => {
  it('is taken from the data directory when none is given', async () => {
    const { run } = await cloud()
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-cli-'))
    onTestFinished(async () => await rm(directory, { recursive: true }))
    await writeFile(join(directory, 'admin.token'), `${TOKEN}\n`, { mode: 0o600 })
    const env = { ULTRACLOUD_TOKEN: '', ULTRACLOUD_DATA: directory }
    expect(await run(create, { env })).toMatchObject({ code: 0 })
    const file = ['--token-file', join(directory, 'admin.token')]
    const other = { ULTRACLOUD_TOKEN: 'wrong', ULTRACLOUD_DATA: '' }
    expect(await run(['status', ...file], { env: other })).toMatchObject({ code: 0 })
  })
})
