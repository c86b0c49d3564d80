import type { Message } from './types.ts'

/** One message on one line, for people. */
export function describe(message: Message): string {
  const head = `${message.from}→${message.to} term ${message.term}`
  switch (message.type) {
    case 'vote_request': {
      const kind = message.preVote ? 'pre-vote?' : message.transfer ? 'vote? (transfer)' : 'vote?'
      return `${head} ${kind} log ${message.lastIndex}/${message.lastTerm}`
    }
    case 'vote_response':
      return `${head} ${message.preVote ? 'pre-vote' : 'vote'} ${message.granted ? 'granted' : 'refused'}`
    case 'append_request': {
      const { previousIndex, previousTerm, entries, commit, readTag, timeoutNow } = message
      const list = entries
        .map((entry) => `${entry.index}/${entry.term}${entry.kind === 'noop' ? 'n' : ''}`)
        .join(' ')
      const extra = `${readTag === 0 ? '' : ` read ${readTag}`}${timeoutNow ? ' timeout-now' : ''}`
      return `${head} append after ${previousIndex}/${previousTerm} [${list}] commit ${commit}${extra}`
    }
    case 'append_response': {
      const read = message.readTag === 0 ? '' : ` read ${message.readTag}`
      const needed = message.neededTerm === 0 ? '' : `, needs term ${message.neededTerm}`
      const extra = `${read}${message.recovery !== 0 ? ` (recovers${needed})` : ''}`
      if (message.success) return `${head} holds ${message.index}${extra}`
      return `${head} refuses ${message.index} hint ${message.hintIndex}/${message.hintTerm}${extra}`
    }
    case 'probe_request':
      return `${head} how do you stand?`
    case 'probe_response':
      return `${head} ${message.standing}${message.untouched ? ', untouched' : ''}`
  }
}
