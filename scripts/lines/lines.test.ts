import { expect, test } from 'vitest'
import { countLines } from './count.ts'
import { formatTable } from './table.ts'

test('code, comments and tests are told apart and summed up by folder', () => {
  const counts = countLines([
    { path: 'log/raft/step.ts', text: '/**\n * Why.\n */\nconst a = 1\n\n// Why not.\nconst b = a * 2\n' },
    { path: 'log/raft/step.test.ts', text: "// A test.\ntest('a', () => {})\n" },
    { path: 'log/log.ts', text: 'export const one = 1\n' },
    { path: 'vitest.config.ts', text: 'export default {}\n' },
    { path: 'package-lock.json', text: '{}\n' },
  ])
  expect(formatTable(counts)).toBe(
    [
      '| folder    | files | code | comments | tests |',
      '| --------- | ----: | ---: | -------: | ----: |',
      '| ./        |     1 |    1 |        0 |     0 |',
      '| log/      |     1 |    1 |        0 |     0 |',
      '| log/raft/ |     2 |    2 |        4 |     2 |',
      '| all       |     4 |    4 |        4 |     2 |',
    ].join('\n'),
  )
})
