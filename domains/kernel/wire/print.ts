import type { ProtoEnum, ProtoField, ProtoFile, ProtoMessage, ProtoService } from './proto.ts'

/** The text of a .proto file (proto3), as it is checked in. */
export function printFile(file: ProtoFile): string {
  const parts = [
    '// Derived from the contracts of the domains: do not edit.\n',
    'syntax = "proto3";\n',
    `package ${file.package};\n`,
  ]
  if (file.imports.length > 0) parts.push(file.imports.map((path) => `import "${path}";\n`).join(''))
  for (const service of file.services) parts.push(printService(service, file.package))
  for (const message of file.messages) parts.push(`${printMessage(message, '').join('\n')}\n`)
  return parts.join('\n')
}

function printService(service: ProtoService, packageName: string): string {
  const local = (name: string): string =>
    name.startsWith(`${packageName}.`) ? name.slice(packageName.length + 1) : `.${name}`
  const lines = [...comment(service.doc, ''), `service ${service.name} {`]
  for (const { name, doc, request, response, stream } of service.methods) {
    lines.push(...comment(doc, '  '))
    lines.push(`  rpc ${name}(${local(request)}) returns (${stream ? 'stream ' : ''}${local(response)});`)
  }
  return `${[...lines, '}'].join('\n')}\n`
}

function printMessage(message: ProtoMessage, indent: string): readonly string[] {
  const inner = `${indent}  `
  const body = [
    ...message.enums.flatMap((each) => printEnum(each, inner)),
    ...message.messages.flatMap((each) => printMessage(each, inner)),
    ...message.fields.flatMap((field) => [...comment(field.doc, inner), `${inner}${printField(field)}`]),
  ]
  const head = `${indent}message ${message.name} {`
  const doc = comment(message.doc, indent)
  return body.length === 0 ? [...doc, `${head}}`] : [...doc, head, ...body, `${indent}}`]
}

function printEnum(each: ProtoEnum, indent: string): readonly string[] {
  const lines = enumValues(each).map(({ name, number }) => `${indent}  ${name} = ${number};`)
  return [`${indent}enum ${each.name} {`, ...lines, `${indent}}`]
}

function printField({ kind, type, shape, absent, name, number }: ProtoField): string {
  const printed = kind === 'scalar' ? type : `.${type}`
  const typed = { single: printed, repeated: `repeated ${printed}`, map: `map<string, ${printed}>` }[shape]
  const label = shape === 'single' && absent !== 'zero' ? 'optional ' : ''
  return `${label}${typed} ${name} = ${number};`
}

/** An enum's values with their numbers: by listed order plus one, after the one that says nothing. */
export function enumValues(each: ProtoEnum): readonly { readonly name: string; readonly number: number }[] {
  return [
    { name: `${each.prefix}_UNSPECIFIED`, number: 0 },
    ...each.values.map(({ name }, index) => ({ name, number: index + 1 })),
  ]
}

function comment(doc: string, indent: string): readonly string[] {
  return doc === '' ? [] : doc.split('\n').map((line) => `${indent}// ${line}`.trimEnd())
}
