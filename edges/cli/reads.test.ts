import { describe, expect, it } from 'vitest'
import type { ProjectionStatus } from '../control_plane.ts'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { until } from '../testing/until.ts'
import { type CliResult, type CliRun, cli } from './testing_cli.ts'

/** A cloud with some boxes in it. */
async function cloudOf(...names: readonly string[]) {
  const edge = await grpcEdge()
  const env = { ULTRACLOUD_SERVER: edge.address, ULTRACLOUD_TOKEN: TOKEN, ULTRACLOUD_PROJECT: 'demo' }
  const run = (argv: readonly string[], more: CliRun = {}): Promise<CliResult> =>
    cli(argv, { ...more, env: { ...env, ...more.env } })
  const maker = edge.client()
  const make = async (name: string): Promise<unknown> =>
    await maker.command({
      type: 'toy.CreateBox',
      data: {
        project: 'demo',
        name,
        labels: { tier: 'web' },
        rules: [],
        note: null,
        size: 3,
        ratio: 1,
        sealed: true,
      },
    })
  for (const name of names) await make(name)
  return { ...edge, run, make }
}

describe('get', () => {
  it('shows a table with the columns that matter', async () => {
    const { run } = await cloudOf('first', 'second')
    const { code, stdout, stderr } = await run(['get', 'boxes'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^NAME +STATE +NOTE +SIZE +RATIO +SEALED +AGE$/)
    expect(lines[1]).toMatch(/^first +open +- +3 +1 +true +\d+d$/)
    expect(lines).toHaveLength(3)
    const wide = await run(['get', 'box', '-o', 'wide', '--all-projects'])
    expect(wide.stdout).toMatch(
      /^PROJECT +NAME .* LABELS +REVISION +UID +AGE\ndemo +first .* tier=web +1 +uid-1 /,
    )
  })

  it('reads every page, and only as JSON what JSON readers read', async () => {
    const names = Array.from({ length: 1203 }, (_, index) => `box-${index}`)
    const { run, control } = await cloudOf(...names)
    const { stdout } = await run(['get', 'boxes', '-o', 'json'])
    const { items, history } = JSON.parse(stdout) as { items: { name: string }[]; history: string }
    expect(items.map(({ name }) => name)).toEqual(names)
    expect(history).toBe('history-1')
    expect(control.reads).toHaveLength(3)
    const lines = (await run(['get', 'boxes', '-o', 'jsonl'])).stdout.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { name: string }).name)).toEqual(names)
    expect((await run(['get', 'boxes', '-o', 'name'])).stdout).toBe(`${names.join('\n')}\n`)
  })

  it('reads one, by any word for its kind', async () => {
    const { run } = await cloudOf('first')
    for (const kind of ['box', 'boxes', 'toy.box', 'toy.boxes', 'Box']) {
      const { code, stdout } = await run(['get', kind, 'first', '-o', 'json'])
      expect({ code, row: JSON.parse(stdout) }).toMatchObject({
        code: 0,
        row: { name: 'first', uid: 'uid-1' },
      })
    }
    const none = await run(['get', 'box', 'second'])
    expect(none).toEqual({ code: 1, stdout: '', stderr: 'error: NOT_FOUND: there is no such toy.box\n' })
    const nowhere = await run(['get', 'box', 'first'], { env: { ULTRACLOUD_PROJECT: '' } })
    expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining('which project?') })
  })

  it('passes on the moment, the filters and how fresh it must be', async () => {
    const { run, control } = await cloudOf()
    const filters = ['--filter', 'size=3', '--filter', 'label.tier=a=b', '--filter', 'SEALED=true']
    await run([
      'get',
      'boxes',
      '--at',
      '2h',
      '--stale',
      '--min-revision',
      '4',
      '--project',
      'other',
      ...filters,
    ])
    expect(control.reads).toMatchObject([
      {
        kind: 'toy.box',
        project: 'other',
        at: '2h',
        consistency: 'stale',
        minRevision: 4,
        filter: { size: '3', 'label.tier': 'a=b', sealed: 'true' },
      },
    ])
  })

  it('says on stderr when there is nothing, and prints an empty list', async () => {
    const { run } = await cloudOf()
    expect(await run(['get', 'shelves'])).toEqual({ code: 0, stdout: '', stderr: 'There are no shelves.\n' })
    expect(await run(['get', 'shelves', '-q'])).toEqual({ code: 0, stdout: '', stderr: '' })
    const { stdout } = await run(['get', 'shelves', '-o', 'json'])
    expect(JSON.parse(stdout)).toMatchObject({ items: [] })
  })

  it('lets no control characters of others through to the terminal', async () => {
    const { run, client } = await cloudOf()
    const data = {
      project: 'demo',
      name: 'evil',
      rules: [],
      note: '\u001B[2Jgone',
      size: 1,
      sealed: false,
      ratio: 1,
    }
    await client().command({ type: 'toy.CreateBox', data })
    const { stdout } = await run(['get', 'box', 'evil'])
    expect(stdout).not.toContain('\u001B')
    expect(stdout).toContain(String.raw`\x1b[2Jgone`)
  })
})

describe('log', () => {
  it('shows entries with their events', async () => {
    const { run } = await cloudOf('first', 'second')
    const { code, stdout } = await run(['log', '--from', '2'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^ +2 {2}1970-01-01 00:00:01Z {2}toy\.CreateBox {2}by toy-user {2}project=demo name=second/,
    )
    expect(stdout).toContain('\n        toy.BoxCreated\n')
    expect((await run(['log', '--events'])).stdout).toMatch(/toy\.BoxCreated {2}project=demo name=first/)
    const entries = JSON.parse((await run(['log', '-o', 'json'])).stdout) as {
      revision: number
      events: unknown[]
    }[]
    expect(entries.map(({ revision }) => revision)).toEqual([1, 2])
    expect(entries[0]).toMatchObject({ command: 'toy.CreateBox', events: [{ type: 'toy.BoxCreated' }] })
    expect((await run(['log', '--limit', '1', '-o', 'name'])).stdout).toBe('1\n')
  })

  it('follows what is yet to come, until it is interrupted', async () => {
    const { run, make } = await cloudOf('first')
    const interrupt = new AbortController()
    let seen = ''
    const following = run(['log', '--follow', '-o', 'jsonl'], {
      interrupt: interrupt.signal,
      onStdout: (text) => {
        seen = text
      },
    })
    await until('the first entry is seen', () => seen.includes('"first"'))
    await make('second')
    await until('the second entry is seen', () => seen.includes('"second"'))
    interrupt.abort()
    expect(await following).toMatchObject({ code: 130, stderr: expect.stringContaining('interrupted') })
  })
})

describe('why, diff and status', () => {
  it('tells which commands made a resource what it is', async () => {
    const { run } = await cloudOf('first')
    const { code, stdout } = await run(['why', 'box/first'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/toy\.CreateBox {2}by toy-user {2}project=demo name=first/)
    expect(stdout).toMatch(/\n {8}toy\.BoxCreated {2}project=demo/)
    expect(JSON.parse((await run(['why', 'toy.box/first', '-o', 'json'])).stdout)).toMatchObject([
      { revision: 1 },
    ])
  })

  it('tells what changed', async () => {
    const { run, control } = await cloudOf('first')
    const before = { name: 'first', project: 'demo', size: 1, revision: 1 }
    control.diff = async () => ({
      from: 1,
      to: 9,
      truncated: true,
      changes: [
        { kind: 'toy.box', uid: 'a', before, after: { ...before, size: 2, revision: 9 } },
        { kind: 'toy.box', uid: 'b', before: null, after: { ...before, name: 'new' } },
        { kind: 'toy.shelf', uid: 'c', before: { name: 'old', height: 3 }, after: null },
      ],
    })
    const { code, stdout, stderr } = await run(['diff', '--from', '1'])
    expect(code).toBe(0)
    expect(stdout).toBe(
      [
        'revision 1 to 9: 3 changes',
        '~ toy.box demo/first',
        '    size: 1 → 2',
        '+ toy.box demo/new',
        '    size: 1',
        '- toy.shelf old',
        '',
      ].join('\n'),
    )
    expect(stderr).toContain('more changes')
    const json = await run(['diff', '--from', '1', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      from: 1,
      to: 9,
      changes: [{ uid: 'a' }, { before: null }, { after: null }],
    })
  })

  it('shows the state of the cluster', async () => {
    const { run, control } = await cloudOf('first')
    const status = await control.status()
    control.status = async () => ({
      ...status,
      hosts: [
        { name: 'h1', realizedRevision: 1, lastHeartbeat: Date.now() - 3_600_000 * 5 },
        { name: 'h2', realizedRevision: 0, lastHeartbeat: 0 },
      ],
    })
    const { code, stdout } = await run(['status'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^leader +a\n/)
    expect(stdout).toMatch(/revision +1\nhistory +history-1\n/)
    expect(stdout).toMatch(/MEMBER +ADDRESS +ROLE\na +127\.0\.0\.1:1 +leader\n/)
    expect(stdout).toMatch(/PROJECTION +REVISION +LAG\ntables +1 +0\n/)
    expect(stdout).toMatch(/h1 +1 +5h ago\nh2 +0 +not heard of\n/)
    expect(JSON.parse((await run(['status', '-o', 'json'])).stdout)).toMatchObject({
      leader: 'a',
      revision: 1,
    })
  })

  it('shows what has a problem, and which', async () => {
    const { run, control } = await cloudOf('first')
    const status = await control.status()
    const [tables] = status.projections as readonly [ProjectionStatus]
    const processes = [{ name: 'vm.placement', problem: 'no host \x1b[1mhas room' }]
    const zones = { ...tables, name: 'zones', problem: 'revision 1: no such zone' }
    control.status = async () => ({ ...status, projections: [tables, zones], processes })
    const { stdout } = await run(['status'])
    expect(stdout).toMatch(
      /PROJECTION +REVISION +LAG +PROBLEM\ntables +1 +0 *\nzones +1 +0 +quarantined: revision 1: no such zone\n/,
    )
    expect(stdout).toMatch(/PROCESS +PROBLEM\nvm\.placement +no host \\x1b\[1mhas room\n$/)
    expect(JSON.parse((await run(['status', '-o', 'json'])).stdout)).toMatchObject({
      projections: [{ problem: '' }, { problem: zones.problem }],
      processes,
    })
  })
})
