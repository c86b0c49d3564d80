import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../failover/until.ts'

const PROGRAM = join(import.meta.dirname, '..', 'log.ts')
const TIMEOUT_MS = 240_000
const ENDING_MS = 30_000

/** A short run, with all that it writes and starts in a directory of its own. */
class Bench {
  readonly child: ChildProcess
  readonly temporary: string
  readonly lines: string[] = []
  readonly #ended: Promise<number | null>

  static async start(...measures: readonly string[]): Promise<Bench> {
    const temporary = await mkdtemp(join(tmpdir(), 'ultracloud-bench-test-'))
    return new Bench(temporary, measures)
  }

  private constructor(temporary: string, measures: readonly string[]) {
    this.temporary = temporary
    const only = measures.map((name) => `--only=${name}`)
    this.child = spawn(process.execPath, [PROGRAM, '--quick', ...only], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line))
    this.#ended = new Promise((resolve) => this.child.once('close', resolve))
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.#ended
      await rm(temporary, { recursive: true, force: true })
    })
  }

  get output(): string {
    return this.lines.join('\n')
  }

  /** Resolves once it has ended, with nothing left behind. */
  async end(): Promise<number | null> {
    const code = await this.#ended
    expect(await readdir(this.temporary), this.output).toEqual([])
    expect(await processesNaming(this.temporary), this.output).toEqual([])
    return code
  }

  /** The medians in a row of the table: ours, and etcd's where it has some. */
  mediansOf(name: string): readonly number[] {
    const row = this.lines.find((line) => line.startsWith(`${name} `))
    expect(row, this.output).toBeDefined()
    return [...(row ?? '').matchAll(/([\d.e+-]+) \([^)]*\)/g)].map(([, median]) => Number(median))
  }
}

async function processesNaming(path: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(path)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}

test(
  'what is measured beside etcd gives figures for both',
  async () => {
    const bench = await Bench.start('puts', 'gets', 'watches', 'failover')
    expect([0, 1]).toContain(await bench.end())
    expect(bench.output).not.toMatch(/^\w+ failed:/m)
    const names = [
      ...[1, 3].flatMap((size) => [1, 64, 1024].map((inFlight) => `puts_${size}_${inFlight}`)),
      ...['put_p50_1_1', 'put_p99_3_1024', 'gets_linearizable_3_1024', 'gets_serializable_3_64'],
      ...['watch_events_3_12', 'failover_crash', 'failover_shutdown'],
    ]
    for (const name of names) {
      const medians = bench.mediansOf(name)
      expect(medians, name).toHaveLength(2)
      for (const median of medians) expect(median, name).toBeGreaterThan(0)
    }
  },
  TIMEOUT_MS,
)

test(
  'what is measured alone gives figures',
  async () => {
    const bench = await Bench.start('batches', 'scan', 'rebuild', 'stalled', 'restart')
    expect([0, 1]).toContain(await bench.end())
    expect(bench.output).not.toMatch(/^\w+ failed:/m)
    const names = [
      'batched_commits_3',
      'verified_scan',
      'table_rebuild',
      'table_rebuild_records',
      'stalled_follower_puts',
    ]
    for (const name of [...names, 'restart_500', 'restart_2000', 'restart_node_alone'])
      expect(bench.mediansOf(name)[0], name).toBeGreaterThan(0)
    expect(bench.mediansOf('stalled_follower_elections')).toHaveLength(1)
  },
  TIMEOUT_MS,
)

test(
  'told to end it leaves nothing behind',
  async () => {
    const bench = await Bench.start('puts')
    await until('something is measured', TIMEOUT_MS, () => (bench.lines.length > 0 ? true : undefined))
    bench.child.kill('SIGINT')
    const late = setTimeout(() => bench.child.kill('SIGKILL'), ENDING_MS)
    expect(await bench.end()).toBe(1)
    clearTimeout(late)
  },
  TIMEOUT_MS,
)
