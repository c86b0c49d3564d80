import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import { runTool } from '../run_tool.ts'

/** The Debian package that holds the kernel for virtual machines. */
export interface KernelPackage {
  readonly name: string
  readonly version: string
  readonly sha256: string
  /** Options of apt that must be given again to download what was found with them. */
  readonly aptOptions: readonly string[]
}

const metaPackage = 'linux-image-cloud-amd64'
const lookupTimeoutMilliseconds = 60_000
const downloadTimeoutMilliseconds = 300_000
const systemLists = ['-o', 'APT::Sandbox::User=root']

/**
 * Finds the kernel package that the meta package `linux-image-cloud-amd64` stands for today.
 *
 * Needs no root: the machine's package lists are read, and where they are missing a private copy is fetched into
 * `scratchDirectory`.
 *
 * @throws HostError `hostd/image_unavailable` when no package source knows the kernel.
 */
export async function findKernelPackage(scratchDirectory: string): Promise<KernelPackage> {
  try {
    return await lookUp(systemLists)
  } catch {
    return await findInPrivateLists(scratchDirectory)
  }
}

/**
 * Downloads the package and unpacks it into `directory`; nothing is installed and no root is needed.
 *
 * The machine's lists can be older than the archive, which then no longer has the version they name: the download is
 * tried once more with lists of our own. Gives the package that was unpacked in the end.
 *
 * @throws HostError `hostd/image_unavailable`
 */
export async function unpackKernelPackage(kernel: KernelPackage, directory: string): Promise<KernelPackage> {
  try {
    await downloadAndUnpack(kernel, directory)
    return kernel
  } catch (cause) {
    if (kernel.aptOptions !== systemLists) throw unavailable(cause)
    const newer = await findInPrivateLists(directory)
    await downloadAndUnpack(newer, directory).catch((error: unknown) => {
      throw unavailable(error)
    })
    return newer
  }
}

async function downloadAndUnpack(kernel: KernelPackage, directory: string): Promise<void> {
  const download = join(directory, 'download')
  await mkdir(download, { recursive: true })
  await runTool(
    'apt-get',
    [...kernel.aptOptions, '--quiet', 'download', `${kernel.name}=${kernel.version}`],
    {
      cwd: download,
      timeoutMilliseconds: downloadTimeoutMilliseconds,
    },
  )
  const file = (await readdir(download)).find((name) => name.endsWith('.deb'))
  if (file === undefined) throw new HostError('hostd/image_unavailable', `apt-get left no ${kernel.name}.`)
  await runTool('dpkg', ['--extract', join(download, file), join(directory, 'root')], {
    timeoutMilliseconds: lookupTimeoutMilliseconds,
  })
  await rm(download, { recursive: true })
}

async function findInPrivateLists(directory: string): Promise<KernelPackage> {
  const state = join(directory, 'apt')
  await mkdir(join(state, 'lists', 'partial'), { recursive: true })
  await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true })
  const options = [
    ...systemLists,
    ...['-o', `Dir::State=${state}`, '-o', `Dir::Cache=${join(state, 'cache')}`],
    ...['-o', 'Dir::State::status=/var/lib/dpkg/status'],
  ]
  try {
    // An unrelated source that cannot be reached must not keep the kernel away: only the look-up decides.
    await runTool('apt-get', [...options, '--quiet', 'update'], {
      timeoutMilliseconds: downloadTimeoutMilliseconds,
    }).catch(() => undefined)
    return await lookUp(options)
  } catch (cause) {
    throw unavailable(cause)
  }
}

async function lookUp(aptOptions: readonly string[]): Promise<KernelPackage> {
  const limits = { timeoutMilliseconds: lookupTimeoutMilliseconds }
  const dependencies = await runTool('apt-cache', [...aptOptions, 'depends', metaPackage], limits)
  const name = /Depends: (linux-image-\S+-cloud-amd64)/.exec(dependencies)?.[1]
  if (name === undefined) throw new HostError('hostd/image_unavailable', `${metaPackage} names no kernel.`)
  const record = await runTool('apt-cache', [...aptOptions, '--no-all-versions', 'show', name], limits)
  const version = /^Version: (\S+)/m.exec(record)?.[1]
  const sha256 = /^SHA256: (\S+)/m.exec(record)?.[1]
  if (version === undefined || sha256 === undefined) {
    throw new HostError('hostd/image_unavailable', `${name} has no version in the package lists.`)
  }
  return { name, version, sha256, aptOptions }
}

function unavailable(cause: unknown): HostError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new HostError('hostd/image_unavailable', detail, { cause })
}
