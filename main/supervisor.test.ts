import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

const supervisor = new URL('./supervisor.ts', import.meta.url).href
const program = `import { whenToldToEnd } from ${JSON.stringify(supervisor)}
  const told = whenToldToEnd(true)
  console.log('running')
  await told`

/** A supervised process that has nothing to do but to wait. */
async function waiting(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

describe('a supervised process', () => {
  it('ends by itself when it is told to, though its standard input stays open', async () => {
    const child = await waiting()
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('ends by itself when its supervisor is gone', async () => {
    const child = await waiting()
    child.stdin?.end()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
