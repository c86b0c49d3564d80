import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { repositoryRoot, runTool } from '../testing/run_tool.ts'
import {
  contractRegistry,
  derivedOpenApi,
  derivedProtos,
  OPENAPI_FILE,
  PROTO_DIRECTORY,
} from './derived_files.ts'

const STALE = 'is stale: run `node edges/generate/main.ts`'
const protos = join(repositoryRoot, PROTO_DIRECTORY)
const registry = await contractRegistry()

describe('the checked-in .proto files', () => {
  it('are what the contracts say', async () => {
    const derived = derivedProtos(registry)
    for (const [path, text] of derived)
      expect(await readFile(join(protos, path), 'utf8'), `${path} ${STALE}`).toBe(text)
    const found = await readdir(protos, { recursive: true })
    expect(found.filter((path) => path.endsWith('.proto')).sort()).toEqual([...derived.keys()].sort())
  })

  it('pass buf lint', async () => {
    expect(await runTool('buf', ['lint', protos])).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('break no client of the last commit', async () => {
    const against = `${join(repositoryRoot, '.git')}#ref=HEAD,subdir=${PROTO_DIRECTORY}`
    expect(await runTool('buf', ['breaking', protos, '--against', against])).toMatchObject({
      code: 0,
      stdout: '',
    })
  })

  describe('with a change that breaks clients', () => {
    let copy: string
    beforeAll(async () => {
      copy = await mkdtemp(join(tmpdir(), 'ultracloud-proto-'))
      await cp(protos, copy, { recursive: true })
    })
    afterAll(() => rm(copy, { recursive: true, force: true }))

    it('are caught', async () => {
      const file = join(copy, 'ultracloud/cluster/v1/cluster.proto')
      const text = await readFile(file, 'utf8')
      await writeFile(file, text.replace('int64 term = 3;', 'string term = 3;'))
      const { code, stdout } = await runTool('buf', ['breaking', copy, '--against', protos])
      expect(code).not.toBe(0)
      expect(stdout).toContain('"3"')
    })
  })
})

describe('the checked-in OpenAPI description', () => {
  it('is what the contracts say', async () => {
    const found: unknown = JSON.parse(await readFile(join(repositoryRoot, OPENAPI_FILE), 'utf8'))
    expect(found, `${OPENAPI_FILE} ${STALE}`).toEqual(derivedOpenApi(registry))
  })

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(derivedOpenApi(registry) as Record<string, unknown>)
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  it('has every command and every kind', () => {
    const { paths } = derivedOpenApi(registry) as { paths: Record<string, unknown> }
    for (const { contract } of registry.domains.values()) {
      for (const command of Object.keys(contract.commands))
        expect(paths).toHaveProperty([`/api/v1/commands/${contract.name}.${command}`])
      for (const { plural } of Object.values(contract.resources))
        expect(paths).toHaveProperty([`/api/v1/${contract.name}/${plural}`])
    }
  })
})
