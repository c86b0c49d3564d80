import { expect, test } from 'vitest'
import { parseArguments } from './arguments.ts'

test.each([
  [['--seeds', 'x'], '--seeds takes a positive whole number'],
  [['--members', '2'], '--members takes 1, 3 and 5, not 2'],
  [['--replay', '/nowhere.json'], '--replay: there is no file /nowhere.json'],
  [['--bugs', '--only', 'no such bug'], '--only: no bug has no such bug in its name'],
  [['--bugs', '--only', 'blank disk', '--write'], '--write puts a table of all bugs into the document'],
])('%j is refused before anything is run or written', (args, message) => {
  expect(() => parseArguments(args)).toThrow(message)
})
