import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { HostError } from '../errors.ts'
import { acquireExclusiveLock } from '../exclusive_lock.ts'
import { type ArchiveMember, writeCpioArchive } from './cpio.ts'
import { findKernelPackage, type KernelPackage, unpackKernelPackage } from './kernel_package.ts'

/**
 * A bootable image: what QEMU loads. The digest, `sha256:` and 64 hexadecimal digits, is that of the initrd, which holds the modules of
 * just this kernel.
 */
export interface GuestImage {
  readonly kernel: string
  readonly initrd: string
  readonly digest: string
}

/** Loaded in this order, which satisfies their dependencies. */
const modules = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'],
  ...['failover', 'net_failover', 'virtio_net', 'virtio_blk', 'cdrom', 'isofs', 'button', 'evdev'],
  ...['pvpanic', 'pvpanic-pci'],
]
/** Part of what images are kept by: changes when what is kept does. */
const layoutVersion = 2
const busyboxPath = '/bin/busybox'
const lockTimeoutMilliseconds = 600_000

/**
 * Builds the small guest from Debian's cloud kernel and static busybox, or gives the one built before from the same
 * inputs.
 *
 * The image is kept under `directory/<digest of the inputs>`; any number of processes may build at once. No root is needed, and
 * when no package source can be reached, an image built from the same init and busybox serves.
 *
 * @throws HostError `hostd/image_unavailable`, `hostd/tool_missing`, `hostd/lock_timeout`
 */
export async function buildGuestImage(directory: string): Promise<GuestImage> {
  await mkdir(directory, { recursive: true })
  const lock = await acquireExclusiveLock(join(directory, 'lock'), lockTimeoutMilliseconds)
  try {
    const userland = await readUserland()
    try {
      return await buildFrom(userland, directory)
    } catch (error) {
      const earlier = await findEarlierImage(directory, userland)
      if (earlier === undefined) throw error
      return earlier
    }
  } finally {
    await lock.release()
  }
}

/** Builds under the directory's lock, so what another builder has left there is that of one that was killed. */
async function buildFrom(userland: Userland, directory: string): Promise<GuestImage> {
  for (const name of await readdir(directory)) {
    if (name.startsWith('build-')) await rm(join(directory, name), { recursive: true, force: true })
  }
  const scratch = await mkdtemp(join(directory, 'build-'))
  try {
    const kernel = await findKernelPackage(scratch)
    const existing = await openImage(join(directory, inputKey(userland, kernel)))
    if (existing !== undefined) return existing
    const unpacked = await unpackKernelPackage(kernel, scratch)
    const target = join(directory, inputKey(userland, unpacked))
    return (await openImage(target)) ?? (await assemble(userland, scratch, target))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

interface Userland {
  readonly members: readonly ArchiveMember[]
  readonly digest: string
}

async function readUserland(): Promise<Userland> {
  const beside = (name: string): Promise<Buffer> => readFile(new URL(name, import.meta.url))
  const busybox = await readFile(busyboxPath).catch((cause: unknown) => {
    throw new HostError('hostd/tool_missing', `${busyboxPath} (package busybox-static).`, { cause })
  })
  const members: ArchiveMember[] = [
    ...[
      'bin',
      'dev',
      'etc',
      'etc/acpi',
      'etc/acpi/PWRF',
      'lib',
      'lib/modules',
      'mnt',
      'proc',
      'root',
      'run',
      'sys',
      'tmp',
    ].map((path) => ({ path })),
    { path: 'bin/busybox', mode: 0o755, content: busybox },
    { path: 'init', mode: 0o755, content: await beside('guest_init.sh') },
    { path: 'etc/udhcpc.script', mode: 0o755, content: await beside('guest_udhcpc.sh') },
    { path: 'etc/acpi/PWRF/00000080', mode: 0o755, content: await beside('guest_power_button.sh') },
    { path: 'etc/resolv.conf', target: '/run/resolv.conf' },
    { path: 'lib/modules/order', content: Buffer.from(`${modules.join('\n')}\n`) },
  ]
  return {
    members,
    digest: createHash('sha256')
      .update(`${layoutVersion}`)
      .update(writeCpioArchive(members))
      .digest('hex')
      .slice(0, 16),
  }
}

function inputKey(userland: Userland, kernel: KernelPackage): string {
  return `${userland.digest}-${kernel.sha256.slice(0, 16)}`
}

async function assemble(userland: Userland, scratch: string, target: string): Promise<GuestImage> {
  const root = join(scratch, 'root')
  const boot = join(root, 'boot')
  const kernelName = (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'))
  if (kernelName === undefined) throw new HostError('hostd/image_unavailable', 'The package holds no kernel.')
  const archive = writeCpioArchive([...userland.members, ...(await readModules(root))])
  const image = join(scratch, 'image')
  await mkdir(image)
  const kernel = await readFile(join(boot, kernelName))
  const initrd = await promisify(gzip)(archive, { level: 9 })
  await writeFile(join(image, 'vmlinuz'), kernel)
  await writeFile(join(image, 'initrd.gz'), initrd)
  await writeFile(join(image, 'digest'), `sha256:${createHash('sha256').update(initrd).digest('hex')}`)
  await rename(image, target)
  return {
    kernel: join(target, 'vmlinuz'),
    initrd: join(target, 'initrd.gz'),
    digest: await readFile(join(target, 'digest'), 'utf8'),
  }
}

async function readModules(root: string): Promise<ArchiveMember[]> {
  const found = new Map<string, string>()
  const tree = join(root, 'lib', 'modules')
  for (const path of await readdir(tree, { recursive: true })) {
    if (path.endsWith('.ko')) found.set(basename(path, '.ko'), join(tree, path))
  }
  return await Promise.all(
    modules.map(async (name) => {
      const path = found.get(name)
      if (path === undefined)
        throw new HostError('hostd/image_unavailable', `The kernel has no module ${name}.`)
      return { path: `lib/modules/${name}.ko`, content: await readFile(path) }
    }),
  )
}

async function openImage(target: string): Promise<GuestImage | undefined> {
  const digest = await readFile(join(target, 'digest'), 'utf8').catch(() => undefined)
  if (digest === undefined) return undefined
  return { kernel: join(target, 'vmlinuz'), initrd: join(target, 'initrd.gz'), digest }
}

async function findEarlierImage(directory: string, userland: Userland): Promise<GuestImage | undefined> {
  for (const name of (await readdir(directory)).sort()) {
    if (name.startsWith(`${userland.digest}-`)) return await openImage(join(directory, name))
  }
  return undefined
}
