import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runTool } from '../run_tool.ts'
import { writeCpioArchive } from './cpio.ts'
import { buildGuestImage } from './guest.ts'

let scratch: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-image-'))
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

test('builders at once make one image, which cpio can read and its digest names', {
  timeout: 300_000,
}, async () => {
  const directory = join(scratch, 'images')
  const [one, two] = await Promise.all([buildGuestImage(directory), buildGuestImage(directory)])
  expect(two).toEqual(one)
  expect((await readdir(directory)).filter((name) => name !== 'lock')).toHaveLength(1)
  const initrd = await readFile(one.initrd)
  expect((await stat(one.kernel)).size).toBeGreaterThan(1024 * 1024)
  expect(one.digest).toBe(`sha256:${createHash('sha256').update(initrd).digest('hex')}`)
  const listing = await listArchive(gunzipSync(initrd))
  expect(listing).toContain('init')
  expect(listing).toContain('lib/modules/virtio_net.ko')
  // Small enough that a guest with 128 MiB has room for itself.
  expect(initrd.length).toBeLessThan(4 * 1024 * 1024)

  const built = (await stat(one.initrd)).mtimeMs
  expect(await buildGuestImage(directory)).toEqual(one)
  expect((await stat(one.initrd)).mtimeMs).toBe(built)
})

test('an archive unpacks with cpio to what went in', async () => {
  const members = [
    { path: 'folder' },
    { path: 'folder/odd-length', content: Buffer.from('abcde') },
    { path: 'folder/program', mode: 0o755, content: Buffer.from('#!/bin/sh\n') },
    { path: 'link', target: 'folder/program' },
    { path: 'empty', content: Buffer.alloc(0) },
  ]
  const archive = writeCpioArchive(members)
  expect(await listArchive(archive)).toEqual(members.map((member) => member.path))
  expect(archive.equals(writeCpioArchive(members))).toBe(true)
  const target = join(scratch, 'unpacked')
  await runTool('mkdir', [target], { timeoutMilliseconds: 10_000 })
  await pipeTo(archive, 'cpio', ['--extract', '--quiet', '--directory', target])
  expect(await readFile(join(target, 'link'), 'utf8')).toBe('#!/bin/sh\n')
  expect(await readFile(join(target, 'folder/odd-length'), 'utf8')).toBe('abcde')
  expect((await stat(join(target, 'folder/program'))).mode & 0o777).toBe(0o755)
})

async function listArchive(archive: Buffer): Promise<string[]> {
  return (await pipeTo(archive, 'cpio', ['--list', '--quiet'])).trim().split('\n')
}

async function pipeTo(input: Buffer, program: string, arguments_: readonly string[]): Promise<string> {
  const running = promisify(execFile)(program, arguments_)
  running.child.stdin?.end(input)
  return (await running).stdout
}
