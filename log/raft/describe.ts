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
      if (message.success) return `${head} holds ${message.index}${read}`
      return `${head} refuses ${message.index} hint ${message.hintIndex}/${message.hintTerm}${read}`
    }
  }
}
