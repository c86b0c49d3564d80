import { readFile, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { loadDomains } from '../domains/load.ts'
import type { ExtraCommand } from '../edges/cli/context.ts'
import { parseAddresses } from '../edges/cli/global_options.ts'
import { ConfigError, machineName, parseRoles, type Role, readConfig, roles, splitAddress } from './config.ts'
import type { DaemonOptions } from './daemons/connection.ts'
import { endIncarnations, stopNode } from './down.ts'
import { whenToldToEnd } from './supervisor.ts'

/** A supervisor is told that there is no leader; a person who starts members one by one is waited for. */
const LEADER_MS = 60_000

interface JoinFlags {
  readonly join: DaemonOptions['join']
  readonly token?: string
  readonly tokenFile?: string
  readonly caFile?: string
  readonly name?: string
  readonly supervised?: boolean
}

/** Ends the process: it cannot go on, and says why. */
function die(error: Error): never {
  process.stderr.write(`error: ${error.message}\n`)
  process.exit(1)
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** Nobody is left who would. */
async function discard(data: string, throwAway: string | undefined): Promise<void> {
  if (throwAway === undefined) return
  await endIncarnations(resolve(data, 'host'))
  await rm(throwAway, { recursive: true, force: true })
}

/** `up`: a node, by default with everything on this machine. */
export const upCommand: ExtraCommand = (program) => {
  program
    .command('up')
    .summary('Starts a node; by default everything on this machine.')
    .description(
      'Starts a node: a member of the control plane and, by default, a name server, a balancer and a host beside it, until it is told to end (SIGINT, SIGTERM). Instances go on running when it ends.',
    )
    .option('--data <dir>', 'where everything is kept', process.env['ULTRACLOUD_DATA'] ?? './work/data')
    .option(
      '--config <file>',
      'configuration (JSON): name, roles, cluster, listen, tls; see docs/operating.md',
    )
    .option('--insecure', 'serve plaintext to other machines too: tokens and all can be read on the way')
    .addOption(
      new Option(
        '--throw-away <dir>',
        'end the instances and remove this directory when whoever started this process is gone',
      ).hideHelp(),
    )
    .option('--roles <roles>', `what this node is, of ${roles.join(', ')} (comma-separated)`, parseRoles)
    .action(
      async ({
        data,
        config: file,
        roles: wanted,
        insecure = false,
        throwAway,
      }: {
        data: string
        config?: string
        insecure?: boolean
        roles?: readonly Role[]
        throwAway?: string
      }) => {
        const config = file === undefined ? {} : await readConfig(file)
        const supervised = process.env['ULTRACLOUD_SUPERVISED'] === '1'
        const told = whenToldToEnd(supervised)
        const ending = new AbortController()
        void told.then(() => ending.abort(new Error('told to end')))
        const { up } = await import('./up.ts')
        const node = await up({
          directory: data,
          config,
          roles: wanted,
          insecure,
          registry: await loadDomains(),
          say,
          onFatal: die,
          leaderMilliseconds: supervised ? LEADER_MS : Number.POSITIVE_INFINITY,
          signal: ending.signal,
        }).catch(async (error: unknown) => {
          if (ending.signal.aborted) {
            if ((await told) === 'orphaned') await discard(data, throwAway)
            process.exit(0)
          }
          // Nothing is left that could be told to end.
          if (supervised) process.stdin.destroy()
          throw error
        })
        const { facts } = node
        say(`node ${facts.name} is up: ${facts.roles.join(', ')}`)
        say(
          `  gRPC ${facts.grpc}   REST http${facts.tls ? 's' : ''}://${facts.rest}   ${facts.dns === undefined ? '' : `DNS ${facts.dns}`}`,
        )
        say(`  administrator's token: ${facts.tokenFile}`)
        say(`ready ${JSON.stringify(facts)}`)
        const why = await told
        say('stopping')
        await node.close()
        if (why === 'orphaned') await discard(data, throwAway)
        // All is closed; a connection to a member that stands still would keep the process for minutes.
        process.exit()
      },
    )
}

/** `down`: ends a node that runs, and its instances where wanted. */
export const downCommand: ExtraCommand = (program) => {
  program
    .command('down')
    .summary('Ends the node that runs in a data directory.')
    .description(
      'Ends the node of a data directory in order. Its instances go on running, unless told otherwise.',
    )
    .option('--data <dir>', 'where it keeps everything', process.env['ULTRACLOUD_DATA'] ?? './work/data')
    .option('--end-instances', 'end the instances on its host too, at once; they start again with the node')
    .action(async ({ data, endInstances }: { data: string; endInstances?: boolean }) => {
      const ended = await stopNode(data)
      say(ended ? 'the node has ended' : `no node runs in ${data}`)
      if (endInstances !== true) return
      const count = await endIncarnations(resolve(data, 'host'))
      say(count === 1 ? 'one instance was ended' : `${count} instances were ended`)
    })
}

function joining(program: Command, name: string, summary: string): Command {
  return program
    .command(name)
    .summary(summary)
    .requiredOption(
      '--join <host:port,…>',
      'members of the control plane: the next is asked when one does not answer',
      parseJoin,
    )
    .option('--token <token>', 'of a service account with the role for it')
    .option('--token-file <file>', 'the same, in a file')
    .option(
      '--ca-file <file>',
      'the authorities (PEM) that the members’ certificates are of; without it, plaintext is spoken (env ULTRACLOUD_CA)',
      nonEmpty(process.env['ULTRACLOUD_CA']),
    )
    .option('--name <name>', 'of this node', machineName())
    .addOption(new Option('--supervised', 'end when standard input does').hideHelp())
}

function parseJoin(text: string): DaemonOptions['join'] {
  return parseAddresses('--join', text)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

async function daemonOptions({ join, token, tokenFile, caFile, name }: JoinFlags): Promise<DaemonOptions> {
  const found = token ?? (tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim())
  if (found === undefined) throw new ConfigError('a daemon needs a token: give --token or --token-file')
  const log = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  return { join, token: found, caFile: nonEmpty(caFile), name: name ?? machineName(), log }
}

async function untilToldToEnd(flags: JoinFlags, ready: string, close: () => Promise<void>): Promise<void> {
  say(`ready ${ready}`)
  await whenToldToEnd(flags.supervised === true)
  await close()
}

/** `host`: a host daemon on its own. */
export const hostCommand: ExtraCommand = (program) => {
  joining(program, 'host', 'Runs a host daemon on its own.')
    .description(
      'Makes this machine a host: registers it, and runs the instances placed on it. They go on running when the daemon ends.',
    )
    .option('--data <dir>', 'what the host remembers', './work/host')
    .option(
      '--images <dir>',
      'where guest images are kept; hosts on one machine may share it',
      process.env['ULTRACLOUD_IMAGES'],
    )
    .action(async (flags: JoinFlags & { readonly data: string; readonly images?: string }) => {
      const options = {
        ...(await daemonOptions(flags)),
        directory: resolve(flags.data),
        imageDirectory: flags.images === undefined ? undefined : resolve(flags.images),
        address: '',
      }
      const { startHostDaemon } = await import('./daemons/host.ts')
      const daemon = await startHostDaemon(options, die)
      await untilToldToEnd(flags, daemon.uid, daemon.close)
    })
}

/** `name-server`: an authoritative DNS server on its own. */
export const nameServerCommand: ExtraCommand = (program) => {
  joining(program, 'name-server', 'Runs an authoritative DNS server on its own.')
    .description('Answers DNS for every zone of the cloud, over UDP and TCP.')
    .option('--listen <host:port>', 'where to answer; port 0 takes a free one', '127.0.0.1:7453')
    .action(async (flags: JoinFlags & { readonly listen: string }) => {
      const { startDnsDaemon } = await import('./daemons/dns.ts')
      const daemon = await startDnsDaemon(
        { ...(await daemonOptions(flags)), listen: splitAddress(flags.listen) },
        die,
      )
      await untilToldToEnd(flags, daemon.address, daemon.close)
    })
}

/** `balancer`: a balancer on its own. */
export const balancerCommand: ExtraCommand = (program) => {
  joining(program, 'balancer', 'Runs a balancer on its own.')
    .description('Listens on the addresses of the load balancers, and reports how their members are.')
    .action(async (flags: JoinFlags) => {
      const { startBalancerDaemon } = await import('./daemons/balancer.ts')
      const daemon = await startBalancerDaemon(await daemonOptions(flags), die)
      await untilToldToEnd(flags, flags.name ?? '', daemon.close)
    })
}
