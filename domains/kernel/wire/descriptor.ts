import descriptor, {
  type IDescriptorProto,
  type IEnumDescriptorProto,
  type IFieldDescriptorProto,
  type IFileDescriptorProto,
  type IServiceDescriptorProto,
} from 'protobufjs/ext/descriptor.js'
import { pascalCase } from './names.ts'
import { enumValues } from './print.ts'
import type { ProtoEnum, ProtoField, ProtoFile, ProtoMessage, ProtoService, Scalar } from './proto.ts'

/** google.protobuf.FieldDescriptorProto.Type and .Label (descriptor.proto). */
const scalarTypes: Readonly<Record<Scalar, number>> = {
  double: 1,
  int64: 3,
  int32: 5,
  bool: 8,
  string: 9,
  bytes: 12,
}
const MESSAGE = 11
const ENUM = 14
const OPTIONAL = 1
const REPEATED = 3

/** The bytes of a google.protobuf.FileDescriptorProto: what reflection serves, and what no library's classes leak through. */
export function fileDescriptor(file: ProtoFile): Uint8Array {
  const plain: IFileDescriptorProto = {
    name: file.path,
    package: file.package,
    dependency: [...file.imports],
    messageType: file.messages.map(messageDescriptor),
    service: file.services.map(serviceDescriptor),
    syntax: 'proto3',
  }
  const { FileDescriptorProto } = descriptor
  return FileDescriptorProto.encode(FileDescriptorProto.create(plain)).finish()
}

function messageDescriptor(message: ProtoMessage): IDescriptorProto {
  const optional = message.fields.filter(isOptional)
  const entries = message.fields.filter(({ shape }) => shape === 'map').map(entryDescriptor)
  return {
    name: message.name,
    field: message.fields.map((field) => fieldDescriptor(message, field, optional)),
    nestedType: [...message.messages.map(messageDescriptor), ...entries],
    enumType: message.enums.map(enumDescriptor),
    oneofDecl: optional.map(({ name }) => ({ name: `_${name}` })),
  }
}

function fieldDescriptor(
  message: ProtoMessage,
  field: ProtoField,
  optional: readonly ProtoField[],
): IFieldDescriptorProto {
  const named = { name: field.name, number: field.number, jsonName: field.key }
  if (field.shape === 'map') {
    const typeName = `.${message.fullName}.${entryName(field)}`
    return { ...named, label: REPEATED, type: MESSAGE, typeName }
  }
  const typed = {
    ...named,
    ...typeDescriptor(field),
    label: field.shape === 'repeated' ? REPEATED : OPTIONAL,
  }
  return isOptional(field) ? { ...typed, proto3Optional: true, oneofIndex: optional.indexOf(field) } : typed
}

function typeDescriptor({ kind, type }: ProtoField): { type: number; typeName?: string } {
  if (kind === 'scalar') return { type: scalarTypes[type as Scalar] }
  return { type: kind === 'enum' ? ENUM : MESSAGE, typeName: `.${type}` }
}

function isOptional(field: ProtoField): boolean {
  return field.shape === 'single' && field.absent !== 'zero'
}

function entryName(field: ProtoField): string {
  return `${pascalCase(field.name)}Entry`
}

function entryDescriptor(field: ProtoField): IDescriptorProto {
  return {
    name: entryName(field),
    field: [
      { name: 'key', number: 1, label: OPTIONAL, type: scalarTypes.string, jsonName: 'key' },
      { name: 'value', number: 2, label: OPTIONAL, jsonName: 'value', ...typeDescriptor(field) },
    ],
    options: { mapEntry: true },
  }
}

function enumDescriptor(each: ProtoEnum): IEnumDescriptorProto {
  return { name: each.name, value: [...enumValues(each)] }
}

function serviceDescriptor(service: ProtoService): IServiceDescriptorProto {
  return {
    name: service.name,
    method: service.methods.map(({ name, request, response, stream }) => ({
      name,
      inputType: `.${request}`,
      outputType: `.${response}`,
      serverStreaming: stream,
    })),
  }
}
