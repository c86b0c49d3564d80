import { expect, it } from 'vitest'
import { commandsOf, linkedFiles, namedInProse } from './blocks.ts'
import { missing } from './shape.ts'

const document = `Run \`ultracloud up\` or \`ultracloud vm
create-instance --help\`; see [more](more.md#part) and [others](https://example.org).

\`\`\`console
$ one --flag
some 12 words

$ two
\`\`\`

\`\`\`sh
three
\`\`\`

\`\`\`json
{ "not": "a command" }
\`\`\`
`

it('finds the commands of a document, with what they answer and where they are', () => {
  expect(commandsOf(document)).toEqual([
    { text: 'one --flag', answer: ['some 12 words'], line: 5 },
    { text: 'two', answer: [], line: 8 },
    { text: 'three', answer: [], line: 12 },
  ])
  expect(namedInProse(document)).toEqual(['up', 'vm create-instance --help'])
  expect(linkedFiles(document)).toEqual(['more.md'])
})

it('compares what is shown with what is answered, without ids, times and numbers', () => {
  const shown = ['NAME   AGE', 'web-1  32s']
  expect(missing(shown, 'NAME   AGE\nweb-2  2m10s\n')).toEqual([])
  expect(missing(shown, 'NAME   AGE\n')).toEqual(['web-0 AGE'])
  expect(missing(shown, 'NAME   AGE\nweb-1  1s\nhidden')).toEqual(['not shown: hidden'])
  expect(missing([...shown, '…'], 'NAME   AGE\nweb-1  1s\nhidden')).toEqual([])
  expect(missing([], 'anything')).toEqual([])
})
