import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTranscript } from './transcript.ts'

const directory = import.meta.dirname
const files = readdirSync(directory).filter((file) => file.endsWith('.txt'))

test('there are transcripts', () => {
  expect(files.length).toBeGreaterThan(5)
})

test.each(files)('%s is what happens (UPDATE_TRANSCRIPTS=1 writes it anew)', (file) => {
  const path = join(directory, file)
  const golden = readFileSync(path, 'utf8')
  const actual = runTranscript(golden)
  if (process.env['UPDATE_TRANSCRIPTS'] === '1') writeFileSync(path, actual)
  else expect(actual).toBe(golden)
})

test('an unknown command, member or limit is refused', () => {
  expect(() => runTranscript('> explode 1\n')).toThrow('no such command: explode 1')
  expect(() => runTranscript('> toString\n')).toThrow('no such command')
  expect(() => runTranscript('> crash 4\n')).toThrow('no such member: 4')
  expect(() => runTranscript('> drop 1-3\n')).toThrow('no such member: 1-3')
  expect(() => runTranscript('> limit patience 1\n')).toThrow('no such limit: patience')
  expect(() => runTranscript('> elect 1\n> repeat 1→2 9\n')).toThrow('1 has sent 2 no entries from 9 on')
})
