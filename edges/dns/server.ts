import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import { answer, type Transport } from './answer.ts'
import { StreamConnection, type StreamLimits, streamLimits } from './stream.ts'
import type { ZoneStore } from './zone-store.ts'

export interface DnsServerOptions {
  /** An IPv4 or IPv6 address to listen on. */
  readonly host: string
  /** 0 takes a free one, the same for UDP and TCP. */
  readonly port: number
  readonly store: ZoneStore
  /** TCP clients at once, 256 unless told; over it the one without a query for longest makes room. */
  readonly connectionsMax?: number
  readonly limits?: StreamLimits
}

export interface DnsStatistics {
  readonly udpQueries: number
  readonly tcpQueries: number
  readonly responses: number
  /** Packets that must not be answered: responses, and what has no header. */
  readonly ignored: number
  /** Responses that the network did not take from this machine in time. */
  readonly dropped: number
  readonly truncated: number
  /** By RCODE of the header. */
  readonly responsesByCode: Readonly<Record<number, number>>
  readonly connections: number
  /** Connections closed to make room, or that the system could not hand over. */
  readonly connectionsRefused: number
}

export interface DnsServer {
  readonly address: string
  readonly port: number
  statistics(): DnsStatistics
  /** Stops listening and closes every connection; may be called again. */
  close(): Promise<void>
}

const connectionsMaxDefault = 256
/** Pairs of a free UDP and TCP port are looked for this often: another process may take the TCP one first. */
const bindAttemptsMax = 20
/** Responses that wait in this process for the network; more are dropped, as UDP may. */
const sendQueueMax = 1_024
/** Octets of queries the system keeps while this process is busy. */
const receiveBufferLength = 1024 * 1024

/** Answers UDP and TCP on one address. Rejects with the system's error where it cannot listen there. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const counter = new Counter()
  const datagrams = new DatagramSide(options.store, counter)
  const streams = new StreamSide(options, counter)
  const { datagramSocket, server, port } = await bindBoth(options, datagrams, streams)
  const stop = async (): Promise<void> => {
    const closed = [once(datagramSocket, 'close'), once(server, 'close')]
    datagramSocket.close()
    server.close()
    streams.close()
    await Promise.all(closed)
  }
  let stopped: Promise<void> | null = null
  return {
    address: options.host,
    port,
    statistics: () => counter.statistics(streams.size),
    close: async () => {
      stopped ??= stop()
      await stopped
    },
  }
}

async function bindBoth(
  options: DnsServerOptions,
  datagrams: DatagramSide,
  streams: StreamSide,
): Promise<{ datagramSocket: DatagramSocket; server: Server; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const datagramSocket = datagrams.create(options.host)
    try {
      const bound = once(datagramSocket, 'listening')
      datagramSocket.bind(options.port, options.host)
      await bound
      const { port } = datagramSocket.address()
      const server = streams.create()
      server.listen(port, options.host)
      await once(server, 'listening')
      datagramSocket.on('error', () => datagrams.failed())
      // A connection that the system could not hand over, for want of descriptors: the next one may do.
      server.on('error', () => streams.failed())
      return { datagramSocket, server, port }
    } catch (error) {
      datagramSocket.close()
      if (options.port !== 0 || attempt >= bindAttemptsMax) throw error
    }
  }
}

class Counter {
  readonly #byCode: Record<number, number> = {}
  #queries = { udp: 0, tcp: 0 }
  #responses = 0
  #ignored = 0
  #truncated = 0
  dropped = 0
  refused = 0

  count(transport: Transport, response: Buffer | null): void {
    this.#queries[transport] += 1
    if (response === null) {
      this.#ignored += 1
      return
    }
    this.#responses += 1
    const code = (response[3] ?? 0) & 0xf
    this.#byCode[code] = (this.#byCode[code] ?? 0) + 1
    if (((response[2] ?? 0) & 0x02) !== 0) this.#truncated += 1
  }

  statistics(connections: number): DnsStatistics {
    return {
      udpQueries: this.#queries.udp,
      tcpQueries: this.#queries.tcp,
      responses: this.#responses,
      ignored: this.#ignored,
      dropped: this.dropped,
      truncated: this.#truncated,
      responsesByCode: { ...this.#byCode },
      connections,
      connectionsRefused: this.refused,
    }
  }
}

class DatagramSide {
  readonly #store: ZoneStore
  readonly #counter: Counter

  constructor(store: ZoneStore, counter: Counter) {
    this.#store = store
    this.#counter = counter
  }

  create(host: string): DatagramSocket {
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      recvBufferSize: receiveBufferLength,
      // Responses go to addresses, never to names: no resolver is asked.
      lookup: (address, _options, done) => done(null, address, isIPv6(address) ? 6 : 4),
    })
    socket.on('message', (packet, remote) => {
      const response = answer(packet, this.#store, 'udp')
      this.#counter.count('udp', response)
      if (response === null) return
      if (remote.port === 0 || socket.getSendQueueCount() >= sendQueueMax) this.failed()
      else socket.send(response, remote.port, remote.address)
    })
    return socket
  }

  failed(): void {
    this.#counter.dropped += 1
  }
}

class StreamSide {
  readonly #store: ZoneStore
  readonly #counter: Counter
  readonly #limits: StreamLimits
  readonly #connectionsMax: number
  /** In the order of their last query. */
  readonly #connections = new Set<StreamConnection>()

  constructor(options: DnsServerOptions, counter: Counter) {
    this.#store = options.store
    this.#counter = counter
    this.#limits = options.limits ?? streamLimits
    this.#connectionsMax = options.connectionsMax ?? connectionsMaxDefault
  }

  get size(): number {
    return this.#connections.size
  }

  create(): Server {
    // A client may close its half and still wait for answers.
    return createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
  }

  failed(): void {
    this.#counter.refused += 1
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#connectionsMax) this.#makeRoom()
    const connection = new StreamConnection(socket, this.#limits, (query) => {
      this.#connections.delete(connection)
      this.#connections.add(connection)
      const response = answer(query, this.#store, 'tcp')
      this.#counter.count('tcp', response)
      return response
    })
    this.#connections.add(connection)
    socket.on('close', () => this.#connections.delete(connection))
  }

  /**
   * RFC 7766 section 6.2.3: under pressure a server closes idle connections, the one idle for longest first. Where none is idle,
   * it is the one whose last query is the longest ago: clients that begin queries and never end them must not keep others out.
   */
  #makeRoom(): void {
    const [oldest] = this.#connections
    const connection = [...this.#connections].find(({ isIdle }) => isIdle) ?? oldest
    if (connection === undefined) return
    this.#connections.delete(connection)
    this.#counter.refused += 1
    connection.close()
  }
}
