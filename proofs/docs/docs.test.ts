import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadDomains } from '../../domains/load.ts'
import { cli } from '../../edges/cli/testing_cli.ts'
import { acquireQemuLock } from '../../hostd/testing/qemu_lock.ts'
import { parseConfig } from '../../main/config.ts'
import { ownCommands } from '../../main/own_commands.ts'
import { balancerReaches, guests, guestsServe, makeDemo } from '../../main/quickstart/demo.ts'
import { codeBlocks, commandsOf, linkedFiles, namedInProse } from './blocks.ts'
import { Sandbox } from './sandbox.ts'
import { missing } from './shape.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const DOCUMENT_MS = 240_000
const SUSPECTED_MS = 40_000

/** What is not run here, and why. */
const notRun: Readonly<Record<string, string>> = {
  'npm run quickstart -- --keep': 'it is a step of .ci/run by itself; here, what it leaves running is made',
  'npm run generate':
    'it writes into the checkout; edges/generate has a test that what is there is up to date',
  'npm test -- domains/<name> edges/generate proofs/access': 'a domain has to be written first',
  'npm run check': 'it is a step of .ci/run by itself',
}

const documents = [
  'README.md',
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
]
const text = (document: string): Promise<string> => readFile(join(root, document), 'utf8')

/** Runs every command of a document in order, and gives what is not as the document says. */
async function follow(
  document: string,
  sandbox: Sandbox,
  before: (command: string) => Promise<void>,
): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const { text: command, answer, line } of commandsOf(await text(document))) {
    if (command in notRun) continue
    await before(command)
    const { code, output } = await sandbox.run(command)
    const lacking = code === 0 ? missing(answer, output) : [`exit code ${code}`]
    if (lacking.length > 0)
      wrong.push(`${document}:${line}: ${command}\n${lacking.join('\n')}\nbut it said\n${output}`)
  }
  return wrong
}

async function openSandbox(): Promise<Sandbox> {
  const sandbox = await Sandbox.open()
  onTestFinished(() => sandbox.close(), DOCUMENT_MS)
  return sandbox
}

async function holdQemu(): Promise<void> {
  const lock = await acquireQemuLock()
  onTestFinished(() => lock.release())
}

const nothing = async (): Promise<void> => undefined

describe('a reader who runs what the documentation says', { timeout: DOCUMENT_MS + 600_000 }, () => {
  it('has the session of the README', async () => {
    await holdQemu()
    const sandbox = await openSandbox()
    await sandbox.run('ultracloud up')
    const client = await sandbox.client()
    await makeDemo(client, sandbox.port('8080'))
    await guestsServe(client, guests, () => undefined)
    client.close()
    await balancerReaches('127.77.0.1', sandbox.port('8080'), guests)
    expect(await follow('README.md', sandbox, nothing)).toEqual([])
    expect(await sandbox.haveEnded('up')).toBe(true)
  })

  it('gets started', async () => {
    await holdQemu()
    const sandbox = await openSandbox()
    expect(await follow('docs/getting-started.md', sandbox, nothing)).toEqual([])
    expect(await sandbox.haveEnded('up')).toBe(true)
  })

  it('operates a node', async () => {
    const sandbox = await openSandbox()
    await sandbox.run('ultracloud up')
    const wrong = await follow('docs/operating.md', sandbox, async (command) => {
      if (!command.includes('fence-host')) return
      await sandbox.interrupt('--name two')
      const deadline = performance.now() + SUSPECTED_MS
      const suspected = async (): Promise<boolean> =>
        (await sandbox.run('ultracloud get host two -o json')).output.includes('"suspected"')
      while (!(await suspected()) && performance.now() < deadline) await sleep(1000)
    })
    expect(wrong).toEqual([])
  })
})

describe('the documentation', () => {
  it('has its commands in the documents that are followed, or in the table of those that are not run', async () => {
    // The last two have tests of their own: proofs/failover/documented.test.ts takes disks away, and proofs/tls/docs.test.ts replaces
    // certificates between their commands.
    const followed = [
      'README.md',
      'docs/getting-started.md',
      'docs/operating.md',
      'docs/chainfire.md',
      'docs/tls.md',
    ]
    const seen = new Set<string>()
    for (const document of documents)
      for (const { text: command } of commandsOf(await text(document))) {
        seen.add(command)
        if (!followed.includes(document)) expect(notRun, `${document}: ${command}`).toHaveProperty([command])
      }
    expect([...seen]).toEqual(expect.arrayContaining(Object.keys(notRun)))
    expect(seen.size).toBeGreaterThan(40)
  })

  it('shows the steps of the quickstart as it has them', async () => {
    const [quickstart] = commandsOf(await text('README.md'))
    const source = await text('main/quickstart/quickstart.ts')
    const steps = source.replaceAll('${hostname}', 'web.demo.test')
    const shown = quickstart?.answer.map((line) => line.replace(/^ok (.*) \(.*\)$/, '$1')) ?? []
    expect(shown.length).toBe(source.match(/await this\.#step\(/g)?.length)
    for (const step of shown) expect(steps).toContain(step)
  })

  it.each(documents)('of %s names commands, configurations and files that exist', async (document) => {
    const markdown = await text(document)
    for (const file of linkedFiles(markdown)) await access(join(root, dirname(document), file))
    for (const { language, lines } of codeBlocks(markdown))
      if (language === 'json') parseConfig(JSON.parse(lines.join('\n')), document)
    const registry = await loadDomains()
    for (const words of namedInProse(markdown)) {
      const argv = [...words.split(' ').filter((word) => word !== '--help'), '--help']
      const { code, stderr } = await cli(argv, { registry, extra: ownCommands })
      expect(`${words}: ${code} ${stderr}`).toBe(`${words}: 0 `)
    }
  })
})
