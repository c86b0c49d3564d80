import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import type { Registry } from '../../domains/kernel/registry.ts'
import type { ExtraContext } from './context.ts'
import { kebabCase } from './names.ts'
import { cli } from './testing_cli.ts'
import { contractRegistry } from './testing_contracts.ts'

const registry: Registry = await contractRegistry()
const commands = [...registry.domains.values()].flatMap(({ contract }) =>
  Object.entries(contract.commands).map(([name, command]) => ({ domain: contract.name, name, command })),
)

describe('help', () => {
  it('lists every domain, and every command in its domain', async () => {
    const { stdout, code } = await cli(['--help'], { registry })
    expect(code).toBe(0)
    for (const domain of registry.domains.keys()) {
      expect(stdout).toMatch(new RegExp(`^ {2}${domain} `, 'm'))
      const inDomain = await cli([domain, '--help'], { registry })
      for (const each of commands.filter((command) => command.domain === domain))
        expect(inDomain.stdout).toMatch(new RegExp(`^ {2}${kebabCase(each.name)} `, 'm'))
    }
    expect(commands.length).toBeGreaterThan(50)
  })

  it.each(commands.map((each) => [`${each.domain} ${kebabCase(each.name)}`, each] as const))(
    '%s has its doc, its permission and every field as a flag',
    async (_, { domain, name, command }) => {
      const { stdout, stderr, code } = await cli(['help', domain, kebabCase(name)], { registry })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const flat = stdout.replaceAll(/\s+/g, ' ')
      expect(flat).toContain(command.doc.replaceAll(/\s+/g, ' '))
      expect(stdout).toContain(`Permission: ${command.permission}`)
      for (const field of Object.keys(command.request.fields))
        expect(stdout).toMatch(new RegExp(`^ {2}--${kebabCase(field)}( |,|$)`, 'm'))
      for (const flag of ['--dry-run', '--wait', '--command-id', '--if-revision'])
        expect(stdout).toContain(flag)
    },
  )

  it('says choices, bounds, defaults and what JSON must look like', async () => {
    const { stdout } = await cli(['vm', 'create-instance', '--help'], { registry })
    expect(stdout).toMatch(/--vcpus <n> +1 to 1024; default 1/)
    expect(stdout).toMatch(/--intent <choice> +running, stopped; default running/)
    expect(stdout).toMatch(/--labels <key=value> +once for each/)
    expect(stdout).toMatch(/--project <name> +default: env ULTRACLOUD_PROJECT/)
    const pool = await cli(['lb', 'create-pool', '--help'], { registry })
    expect(pool.stdout.replaceAll(/\s+/g, ' ')).toContain(
      '{type: TCP|HTTP, intervalMilliseconds?: 100 to 3600000',
    )
    const member = await cli(['lb', 'create-member', '--help'], { registry })
    expect(member.stdout).toMatch(/--drain\n? +.*\n +--no-drain/)
  })

  it('explains every exit code and the environment', async () => {
    const { stdout } = await cli(['help', 'exit-codes'])
    for (const code of [0, 1, 2, 3, 4, 130]) expect(stdout).toMatch(new RegExp(`^ +${code} `, 'm'))
    expect((await cli(['help', 'environment'])).stdout).toContain('ULTRACLOUD_SERVER')
  })

  it('shows help and ends with 2 when nothing is asked', async () => {
    expect(await cli([])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Usage: ultracloud'),
    })
    expect(await cli(['toy'])).toMatchObject({ code: 2, stderr: expect.stringContaining('create-box') })
    expect(await cli(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })
})

describe('a command of the composition root', () => {
  it('has its help, its options and its errors as every other', async () => {
    const ran: unknown[] = []
    const extra = [
      (program: Command, context: ExtraContext) => {
        const command = program
          .command('up')
          .description('Starts a node.')
          .option('--data <directory>', 'where')
        command.action(async (options: unknown) => {
          const progress = context.progress(command)
          await progress.run('opening the log', async () => {
            await context.out.line('hello')
            ran.push(options)
          })
          if ((options as { data?: string }).data === 'bad') throw new Error('the disk is full')
        })
      },
    ] as const
    expect((await cli(['--help'], { extra })).stdout).toMatch(/^ {2}up .*Starts a node\./m)
    const good = await cli(['up', '--data', 'here'], { extra })
    expect(good).toMatchObject({
      code: 0,
      stdout: 'hello\n',
      stderr: expect.stringMatching(/ok opening the log/),
    })
    expect(ran).toEqual([{ data: 'here' }])
    const bad = await cli(['-q', 'up', '--data', 'bad'], { extra })
    expect(bad).toEqual({ code: 1, stdout: 'hello\n', stderr: 'error: the disk is full\n' })
    expect(await cli(['up', '--dta', 'x'], { extra })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--data'),
    })
  })
})
