import { describe, expect, it } from 'vitest'
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
    const rules = '[{"port":80,"protocol":"tcp"}]'
    const { code, stdout, stderr } = await run([
      ...create,
      ...[
        '--labels',
        'tier=web',
        '--labels',
        'a=b=c',
        '--rules',
        rules,
        '--rules',
        '{"port":53,"protocol":"udp"}',
      ],
      ...['--ratio', '0.25', '--note', 'hello', '--wait', 'projected'],
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('toy.CreateBox') })
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
          note: 'hello',
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
    expect(control.entries[0]?.request).toMatchObject({
      project: 'other',
      sealed: false,
      ratio: 0.5,
      note: null,
    })
  })
})
