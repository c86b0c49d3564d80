import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { cli } from './testing_cli.ts'
import { contractRegistry } from './testing_contracts.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('testing_main.ts', import.meta.url))

/** Splits a line as bash does: at blanks, and around = and :. Then asks the completion that the script registered. */
const HARNESS = String.raw`
source "$1"
[[ $(complete -p ultracloud) == *'-F _ultracloud ultracloud' ]] || exit 9
shift
for line in "$@"; do
  COMP_LINE="$line"
  COMP_POINT=${'${#line}'}
  spaced="${'${line//=/ = }'}"
  spaced="${'${spaced//:/ : }'}"
  read -ra COMP_WORDS <<<"$spaced"
  if [[ $line == *' ' || $line == *[=:] ]]; then COMP_WORDS+=(''); fi
  if [[ $line == *[=:] ]]; then unset 'COMP_WORDS[-1]'; fi
  COMP_CWORD=$((${'${#COMP_WORDS[@]}'} - 1))
  _ultracloud
  echo "${'${COMPREPLY[*]}'}"
done
`

/** What bash itself would offer for each line. */
async function complete(
  script: string,
  lines: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-completion-'))
  onTestFinished(async () => await rm(directory, { recursive: true }))
  const command = join(directory, 'ultracloud')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  await chmod(command, 0o755)
  await writeFile(join(directory, 'script'), script)
  const path = `${directory}:${process.env['PATH'] ?? ''}`
  const args = ['--norc', '--noprofile', '-c', HARNESS, 'bash', join(directory, 'script'), ...lines]
  const { stdout, stderr } = await run('bash', args, { env: { ...env, PATH: path } })
  expect(stderr).toBe('')
  return stdout.split('\n').slice(0, lines.length)
}

describe('completion in bash', () => {
  it('knows domains, commands, flags, choices and kinds without asking anyone', async () => {
    const { stdout, code } = await cli(['completion', 'bash'], { registry: await contractRegistry() })
    expect(code).toBe(0)
    const cases: readonly (readonly [string, string])[] = [
      ['ultracloud v', 'vm vpc'],
      ['ultracloud vm cre', 'create-instance'],
      ['ultracloud vm create-instance --im', '--image'],
      ['ultracloud vm create-instance --dry-run --im', '--image'],
      ['ultracloud vm create-instance --intent ', 'running stopped'],
      ['ultracloud vm create-instance --intent=st', 'stopped'],
      ['ultracloud lb create-member --no-d', '--no-drain'],
      ['ultracloud --server 10.0.0.1:7420 -o json vm set-host-policy --policy no', 'no-provision'],
      ['ultracloud -o ', 'table wide json jsonl name'],
      ['ultracloud get instance -o js', 'json jsonl'],
      ['ultracloud get inst', 'instance'],
      ['ultracloud why in', 'instance/ incarnation/'],
      ['ultracloud completion ', 'bash zsh fish'],
      ['ultracloud help ex', 'exit-codes'],
      ['ultracloud help vm stop', 'stop-instance'],
      ['ultracloud dns put-record-set --type A', 'A AAAA'],
      ['ultracloud nonsense ', ''],
    ]
    const answers = await complete(
      stdout,
      cases.map(([line]) => line),
    )
    expect(answers.map((answer, index) => [cases[index]?.[0], answer])).toEqual(cases)
  })

  it('offers at every place what help shows there', async () => {
    const registry = await contractRegistry()
    const { stdout } = await cli(['completion', 'bash'], { registry })
    const domains = [...registry.domains.keys()]
    const answers = await complete(
      stdout,
      domains.map((domain) => `ultracloud ${domain} `),
    )
    for (const [index, domain] of domains.entries()) {
      const help = await cli([domain, '--help'], { registry })
      const listed = [...help.stdout.matchAll(/^ {2}([a-z-]+) \[options\]/gm)].map(([, name]) => name)
      expect(answers[index]?.split(' ')).toEqual(listed)
    }
  })

  it('asks the cloud for names', async () => {
    const { address, client } = await grpcEdge()
    for (const name of ['front', 'frame', 'back']) {
      const data = { project: 'demo', name, rules: [], note: null, size: 1, sealed: false }
      await client().command({ type: 'toy.CreateBox', data })
    }
    const { stdout } = await cli(['completion', 'bash'])
    const lines = [
      'ultracloud get box fr',
      'ultracloud get box --project other ',
      'ultracloud why box/b',
      'ultracloud toy update-box --project=demo --name fr',
      'ultracloud toy create-box --name fr',
    ]
    const env = { ULTRACLOUD_SERVER: address, ULTRACLOUD_TOKEN: TOKEN, ULTRACLOUD_PROJECT: 'demo' }
    expect(await complete(stdout, lines, env)).toEqual(['front frame', '', 'box/back', 'front frame', ''])
    const nobody = { ...env, ULTRACLOUD_SERVER: '127.0.0.1:1' }
    expect(await complete(stdout, lines.slice(0, 1), nobody)).toEqual([''])
  })
})

describe('the scripts for other shells', () => {
  it('name every command', async () => {
    const registry = await contractRegistry()
    for (const shell of ['zsh', 'fish']) {
      const { stdout, code, stderr } = await cli(['completion', shell], { registry })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const word of ['create-instance', 'put-record-set', 'status', 'security-group'])
        expect(stdout).toContain(word)
      expect(stdout).not.toContain("__complete '")
    }
  })

  it('are not shown where they are of no use', async () => {
    expect((await cli(['--help'])).stdout).not.toContain('__complete')
  })
})
