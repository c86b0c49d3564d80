import { connect as dial, type Socket } from 'node:net'
import { connect as dialSecurely } from 'node:tls'
import { explained } from '../../log/tls/channel_credentials.ts'
import type { TlsMaterial } from '../../log/tls/material.ts'

/**
 * Why no connection can be made, over TLS where authorities are given; undefined when one can. Tells what was never sent from what got
 * no answer.
 */
export function refusal(
  server: string,
  timeoutMilliseconds: number,
  tls: TlsMaterial | undefined,
): Promise<string | undefined> {
  const { host, port } = hostAndPort(server)
  const secure =
    tls === undefined ? undefined : { host, port, secureContext: tls.context, ALPNProtocols: ['h2'] }
  return new Promise((resolve) => {
    const socket: Socket = secure === undefined ? dial({ host, port }) : dialSecurely(secure)
    const end = (reason: string | undefined): void => {
      socket.destroy()
      resolve(reason)
    }
    socket.setTimeout(timeoutMilliseconds, () => end('no answer'))
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => end(undefined))
    socket.on('error', (error: NodeJS.ErrnoException) => end(sentence(error)))
    socket.once('close', () => end('the connection was closed'))
  })
}

/** Whether a server that did not understand plaintext understands TLS, whoever it is. */
export function speaksTls(server: string, timeoutMilliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dialSecurely({ ...hostAndPort(server), rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    const end = (speaks: boolean): void => {
      socket.destroy()
      resolve(speaks)
    }
    socket.setTimeout(timeoutMilliseconds, () => end(false))
    socket.once('secureConnect', () => end(true))
    socket.on('error', () => end(false))
    socket.once('close', () => end(false))
  })
}

function hostAndPort(server: string): { readonly host: string; readonly port: number } {
  const colon = server.lastIndexOf(':')
  return { host: server.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(server.slice(colon + 1)) }
}

function sentence(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name is not known'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to it'
    default: {
      const { message } = explained(error)
      return message === '' ? (error.code ?? 'it can not be reached') : message
    }
  }
}
