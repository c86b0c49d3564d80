import { cp, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Registry } from '../../domains/kernel/registry.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { until } from '../failover/until.ts'
import { Member, type Shown } from './member.ts'

const actor = { principal: 'process:flip', kind: 'process' } as const
const ZONES_MAX = 20
const NAMES = 40
const BATCH = 200

export interface MadeDirectory {
  /** As a clean end leaves it. */
  readonly closed: string
  /** As a crash leaves it. */
  readonly crashed: string
  readonly shown: Shown
}

/** Makes a data directory by a real member that takes so many commands, and keeps it as it was before and after its end. */
export async function makeDirectory(
  base: string,
  registry: Registry,
  { commands, blockEntries }: { readonly commands: number; readonly blockEntries: number },
): Promise<MadeDirectory> {
  const closed = join(base, 'closed')
  const crashed = join(base, 'crashed')
  const opening = { directory: closed, registry, blockEntries }
  const zones = Math.min(ZONES_MAX, Math.ceil(commands / 5))
  const member = await Member.open(opening, { projected: true })
  const submit = (type: string, data: object) =>
    member.platform.submit({ type, data, actor, commandId: newCommandId() })
  await submit('iam.Bootstrap', {})
  for (let zone = 0; zone < zones; zone += 1)
    await submit('dns.CreateZone', { project: 'default', name: `z${zone}.test` })
  for (let sent = 0; sent < commands; sent += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, commands - sent) }, (_, position) => sent + position)
    await Promise.all(batch.map((number) => submit('dns.PutRecordSet', recordSet(number, zones))))
  }
  const { revision } = member.platform.applied
  await member.shown(registry)
  await until('sealed segments', 20_000, async () => {
    const sealed = await readdir(join(closed, 'chainfire', 'segments'))
    return sealed.length >= Math.floor(revision / blockEntries) || undefined
  })
  await cp(closed, crashed, { recursive: true })
  await member.close()
  // Once more: the rows are on disk now, and what was in flight is in the tail.
  const again = await Member.open(opening, { projected: true })
  const shown = await again.shown(registry, revision)
  await again.close()
  return { closed, crashed, shown }
}

function recordSet(number: number, zones: number) {
  const zone = `z${number % zones}.test`
  const name = `n${(number * 7) % NAMES}`
  return { project: 'default', zone, name, type: 'A', values: [`10.1.${number >> 8}.${number & 255}`] }
}

export interface FoundFile {
  /** In the directory. */
  readonly path: string
  readonly bytes: number
  /** Without the zeros at its end: write-ahead files are made before they are needed. */
  readonly used: number
}

/** All files below a directory that hold anything. */
export async function filesOf(directory: string): Promise<readonly FoundFile[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const sized: FoundFile[] = []
  for (const path of files) {
    const content = await readFile(path)
    const used = content.findLastIndex((byte) => byte !== 0) + 1
    sized.push({ path: relative(directory, path), bytes: content.length, used })
  }
  return sized.filter(({ bytes }) => bytes > 0).sort((a, b) => (a.path < b.path ? -1 : 1))
}
