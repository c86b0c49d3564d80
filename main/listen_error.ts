/**
 * Starts something that listens. What the system says of an address it cannot have is turned into an Error that names the
 * address, what was to listen there, and what to do; every other failure is thrown as it is.
 */
export async function listening<T>(what: string, address: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const reason = Object.entries(reasons).find(([code]) => message.includes(code))?.[1]
    if (reason === undefined) throw error
    throw new Error(`cannot listen on ${address} (${what}): ${reason}`, { cause: error })
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process does. End it, or give another address (up: "listen" in --config)',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not use such a port',
  ENOTFOUND: 'the name has no address',
  'Name resolution failed': 'the name has no address',
}
