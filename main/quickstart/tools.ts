import { execFile } from 'node:child_process'
import { access, constants, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 200
const program = new URL('../ultracloud.ts', import.meta.url).pathname

/** Runs a program to its end and gives what it printed; a signal ends it. Throws Error with what it said when it fails. */
export async function runTool(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, [...args], {
      timeout: 120_000,
      maxBuffer: 16 << 20,
      ...(signal === undefined ? {} : { signal }),
    })
    return stdout
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim() || message}`, { cause: error })
  }
}

/** Runs a command of this program's own. */
export function ultracloud(args: readonly string[], signal: AbortSignal): Promise<string> {
  return runTool(process.execPath, [program, ...args], signal)
}

/** Waits until `probe` gives something; throws Error with the last reason when the deadline passes. */
export async function eventually<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  let why = ''
  while (performance.now() < deadline) {
    try {
      const found = await probe()
      if (found !== undefined) return found
    } catch (error) {
      why = `: ${error instanceof Error ? error.message : String(error)}`
    }
    await sleep(POLL_MS)
  }
  throw new Error(`${what} did not come within ${seconds} s${why}`)
}

/** A port of an address that nobody listens on. */
export async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Throws Error for a directory that holds something: the quickstart wipes its data, and must not wipe anyone else's. */
export async function requireEmpty(directory: string): Promise<void> {
  const found = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (found.length === 0) return
  throw new Error(
    [
      `${directory} holds a cloud already, perhaps that of an earlier quickstart. Either use it:`,
      '  npm run -s ultracloud -- up                          (unless it runs)',
      'or end it, remove it, and try again:',
      '  npm run -s ultracloud -- down --end-instances',
      `  rm -r ${directory}`,
      'or say in ULTRACLOUD_DATA where the new one is to be.',
    ].join('\n'),
  )
}

/** What it takes, by the Debian package that has it. */
const programs: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  cpio: 'cpio',
  curl: 'curl',
  dig: 'dnsutils',
  'dpkg-deb': 'dpkg',
  flock: 'util-linux',
  xorriso: 'xorriso',
}

/** Throws Error naming the programs that are not to be found in a PATH, with the packages that have them. */
export async function requirePrograms(path: string): Promise<void> {
  const missing: string[] = []
  for (const program of Object.keys(programs)) {
    const places = path.split(delimiter).map((directory) => access(join(directory, program), constants.X_OK))
    await Promise.any(places).catch(() => missing.push(program))
  }
  if (missing.length === 0) return
  const packages = missing.map((program) => programs[program])
  throw new Error(
    [
      `what the quickstart needs is not in PATH: ${missing.join(', ')}. Install it, on Debian with:`,
      `  sudo apt-get install --no-install-recommends ${packages.join(' ')}`,
    ].join('\n'),
  )
}
