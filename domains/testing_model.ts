import { Rejection } from './kernel/rejection.ts'
import { dump, type Scenario } from './kernel/testing.ts'
import { type Step, take } from './testing.ts'

/** What came of a step: a result, or the code and the sentence of a rejection. */
export type Attempt =
  | { readonly accepted: true; readonly result: Readonly<Record<string, unknown>> }
  | { readonly accepted: false; readonly code: string; readonly message: string }

/**
 * Takes a step that may be rejected, as a model test does. First the same command runs dry, and its undo must leave no trace; a rejection must
 * have changed nothing. Throws where that is not so, or the fault is the service's own (INTERNAL).
 */
export function attempt(scenario: Scenario, step: Step): Attempt {
  const before = dump(scenario.state)
  const dry = settle(() => dryRun(scenario, step))
  if (dump(scenario.state) !== before) throw new Error(`undoing ${step[0]} has left a trace`)
  const attempt = settle(() => take(scenario, step))
  if (!attempt.accepted && dump(scenario.state) !== before)
    throw new Error(`${step[0]} was rejected, and yet it changed the state`)
  if (attempt.accepted !== dry.accepted)
    throw new Error(`${step[0]} comes out otherwise when it runs dry: ${JSON.stringify([dry, attempt])}`)
  return attempt
}

function dryRun(scenario: Scenario, [type, request, actor]: Step): Readonly<Record<string, unknown>> {
  const data = typeof request === 'function' ? (request as (of: Scenario) => object)(scenario) : request
  const by = actor?.(scenario) ?? ({ principal: 'process:test', kind: 'process' } as const)
  const place = { revision: scenario.records.length + 1, now: scenario.now, seed: 'dry' }
  return scenario.engine.dryRun({ type, data, actor: by, commandId: '' }, place).result
}

function settle(run: () => Readonly<Record<string, unknown>>): Attempt {
  try {
    return { accepted: true, result: run() }
  } catch (error) {
    if (!(error instanceof Rejection) || error.code === 'INTERNAL') throw error
    return { accepted: false, code: error.code, message: error.message }
  }
}
