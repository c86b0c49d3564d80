import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { Progress } from './progress.ts'
import { captured } from './testing_cli.ts'

const TIME = /\(\d+\.\d s\)/

describe('progress', () => {
  it('is a line at the begin and at the end where there is no terminal', () => {
    const { stream, text } = captured()
    const progress = new Progress(stream, {})
    const step = progress.step('opening the log')
    step.update('3 of 4 segments')
    step.update('3 of 4 segments')
    step.done()
    progress.step('booting').fail('no kernel')
    progress.note('on with it')
    progress.close()
    const lines = text().trimEnd().split('\n')
    expect(lines.map((line) => line.replace(TIME, 'TIME'))).toEqual([
      '.. opening the log',
      '.. opening the log: 3 of 4 segments',
      'ok opening the log TIME',
      '.. booting',
      'failed: booting: no kernel TIME',
      'on with it',
    ])
  })

  it('is one line that moves on a terminal, and leaves what is done', async () => {
    const { stream, text } = captured(true)
    const progress = new Progress(stream, {})
    const step = progress.step('booting two guests')
    await until('it has moved', () => text().includes('⠋') && text().includes('⠹'))
    step.done('two guests are up')
    const after = text()
    await delay(0)
    progress.close()
    const last = stripVTControlCharacters(after.slice(after.lastIndexOf('\r')))
    expect(last).toMatch(/^\r✓ two guests are up \(\d+\.\d s\)\n$/)
    expect(after.split('\n')).toHaveLength(2)
    expect(text()).toBe(after)
  })

  it('has no colors where NO_COLOR is set', () => {
    const { stream, text } = captured(true)
    const progress = new Progress(stream, { NO_COLOR: '1' })
    progress.step('it').done()
    progress.close()
    expect(text()).not.toContain('\u001B[3')
    expect(text()).toContain('✓ it ')
  })

  it('says nothing when quiet', () => {
    const { stream, text } = captured()
    const progress = new Progress(stream, {}, true)
    progress.step('it').done()
    progress.note('hello')
    expect(text()).toBe('')
  })

  it('ends a step once, also when its work throws', async () => {
    const { stream, text } = captured()
    const progress = new Progress(stream, {})
    const step = progress.step('it')
    step.done()
    step.fail('too late')
    await expect(progress.run('work', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await progress.run('more', () => Promise.resolve(3))).toBe(3)
    expect(text()).not.toContain('too late')
    expect(text()).toMatch(/failed: work .*\n\.\. more\nok more/)
  })
})
