import { readFileSync } from 'node:fs'
import type { Server } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { protoPath } from 'grpc-health-check'
import protobuf from 'protobufjs'
import descriptor, { type IDescriptorProto, type IFileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import { fileDescriptor } from '../../domains/kernel/wire/descriptor.ts'
import type { ProtoFile } from '../../domains/kernel/wire/proto.ts'

type PackageDefinition = ConstructorParameters<typeof ReflectionService>[0]

/** Serves grpc.reflection.v1 and v1alpha. Descriptors go over as bytes: the library brings a protobufjs of its own. */
export function addReflection(server: Server, files: readonly ProtoFile[]): void {
  const fileDescriptorProtos = [...files.map(fileDescriptor), ...healthDescriptors()].map((bytes) =>
    Buffer.from(bytes),
  )
  const definition = { ultracloud: { fileDescriptorProtos } } as unknown as PackageDefinition
  new ReflectionService(definition).addToServer(server)
}

function healthDescriptors(): readonly Uint8Array[] {
  const { root } = protobuf.parse(readFileSync(protoPath, 'utf8'))
  root.resolveAll()
  const set = root.toDescriptor('proto3') as unknown as { file: IFileDescriptorProto[] }
  return set.file.map((file) => {
    for (const message of file.messageType ?? []) nameMapEntries(message)
    return descriptor.FileDescriptorProto.encode(file).finish()
  })
}

/** descriptor.proto wants `StatusesEntry` for the map `statuses`, which protobufjs calls `Statuses`: strict clients refuse that. */
function nameMapEntries(message: IDescriptorProto): void {
  for (const entry of message.nestedType ?? []) {
    if (entry.options?.mapEntry !== true) continue
    const name = `${entry.name}Entry`
    for (const field of message.field ?? []) if (field.typeName === entry.name) field.typeName = name
    entry.name = name
  }
}
