import type { Message } from '../contract.ts'
import { COMMON_PACKAGE, commonMessages } from './common.ts'
import { deriveMessage } from './derive_message.ts'
import type { ProtoFile, ProtoMessage, ProtoMethod } from './proto.ts'
import { methodPath, type Service } from './service.ts'

/** The full names of a method's request and response. */
export interface MethodTypes {
  readonly request: string
  readonly response: string
}

/** Everything on the wire: the files, and which message is which method's. */
export interface Wire {
  readonly files: readonly ProtoFile[]
  /** By path. */
  readonly methods: ReadonlyMap<string, MethodTypes>
}

/** Derives all files from their services, the shared one first. Throws TypeError for a name taken twice. */
export function deriveWire(services: readonly Service[]): Wire {
  const methods = new Map<string, MethodTypes>()
  const files = services.map((service) => serviceFile(service, methods))
  return { files: [commonFile(), ...files], methods }
}

function commonFile(): ProtoFile {
  const messages = [...commonMessages].map(([message, fullName]) =>
    deriveMessage(fullName, message, commonMessages),
  )
  return { path: filePath(COMMON_PACKAGE), package: COMMON_PACKAGE, imports: [], messages, services: [] }
}

function serviceFile(service: Service, methods: Map<string, MethodTypes>): ProtoFile {
  const named = new Map<Message, string>(commonMessages)
  for (const [name, { message }] of service.messages) named.set(message, `${service.package}.${name}`)
  const messages = new Map<string, ProtoMessage>()
  const add = (name: string, message: Message, doc: string): string => {
    if (messages.has(name)) throw new TypeError(`${service.package}: two messages are called ${name}`)
    messages.set(name, deriveMessage(`${service.package}.${name}`, message, named, doc))
    return `${service.package}.${name}`
  }
  for (const [name, { message, doc }] of service.messages) add(name, message, doc)
  const protoMethods = service.methods.map((method): ProtoMethod => {
    const request = add(`${method.name}Request`, method.request, '')
    const response = add(`${method.name}Response`, method.response, '')
    methods.set(methodPath(service, method), { request, response })
    return { name: method.name, doc: method.doc, request, response, stream: method.stream }
  })
  const all = [...messages.values()]
  const usesCommon = all.some((message) => refersTo(message, `${COMMON_PACKAGE}.`))
  return {
    path: filePath(service.package),
    package: service.package,
    imports: usesCommon ? [filePath(COMMON_PACKAGE)] : [],
    messages: all,
    services: [{ name: service.name, doc: service.doc, methods: protoMethods }],
  }
}

function refersTo(message: ProtoMessage, prefix: string): boolean {
  return (
    message.fields.some((field) => field.kind !== 'scalar' && field.type.startsWith(prefix)) ||
    message.messages.some((nested) => refersTo(nested, prefix))
  )
}

/** `ultracloud.dns.v1` → `ultracloud/dns/v1/dns.proto`. */
function filePath(packageName: string): string {
  const parts = packageName.split('.')
  return `${parts.join('/')}/${parts[1]}.proto`
}
