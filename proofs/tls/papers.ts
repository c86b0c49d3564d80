import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memberIdentity } from '../../log/tls/identity.ts'
import { Authority } from '../../main/certificates/authority.ts'

/** A quarter of an hour ago, in days: a certificate that lasts until then has expired. */
export const EXPIRED_DAYS = -0.01

/** What somebody shows, and whom they trust. */
export interface Paper {
  readonly caFile: string
  readonly own: { readonly certificateFile: string; readonly keyFile: string }
}

/** Certificates for a test, from an authority and from a stranger, in a directory that goes with them. */
export class Papers {
  readonly directory: string
  readonly clusterId: string
  readonly authority: Authority
  readonly stranger: Authority
  readonly caFile: string
  readonly strangerFile: string
  readonly #bothFile: string
  #count = 0

  static async make(clusterId: string): Promise<Papers> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-tls-'))
    const papers = new Papers(
      directory,
      clusterId,
      await Authority.create(clusterId),
      await Authority.create(clusterId),
    )
    await writeFile(papers.caFile, papers.authority.certificate)
    await writeFile(papers.strangerFile, papers.stranger.certificate)
    await writeFile(papers.#bothFile, papers.authority.certificate + papers.stranger.certificate)
    return papers
  }

  private constructor(directory: string, clusterId: string, authority: Authority, stranger: Authority) {
    this.directory = directory
    this.clusterId = clusterId
    this.authority = authority
    this.stranger = stranger
    this.caFile = join(directory, 'ca.crt')
    this.strangerFile = join(directory, 'stranger.crt')
    this.#bothFile = join(directory, 'both.crt')
  }

  member(
    id: number,
    more: { readonly days?: number; readonly hosts?: readonly string[] } = {},
  ): Promise<Paper> {
    return this.#issue(this.authority, this.caFile, 'member', memberIdentity(this.clusterId, id), more)
  }

  client(name: string): Promise<Paper> {
    return this.#issue(
      this.authority,
      this.caFile,
      'client',
      `ultracloud://${this.clusterId}/client/${name}`,
      {},
    )
  }

  /** Says that it is a member, on another authority's word; trusts both. */
  impostor(id: number): Promise<Paper> {
    return this.#issue(this.stranger, this.#bothFile, 'member', memberIdentity(this.clusterId, id), {})
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }

  async #issue(
    authority: Authority,
    caFile: string,
    use: 'member' | 'client',
    identity: string,
    {
      days = 30,
      hosts = ['127.0.0.1', 'localhost'],
    }: { readonly days?: number; readonly hosts?: readonly string[] },
  ): Promise<Paper> {
    const names = [
      { type: 'url' as const, value: identity },
      ...hosts.map((value) => ({ type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const), value })),
    ]
    const { certificate, key } = await authority.issue({ commonName: identity.slice(-60), names, use, days })
    this.#count += 1
    const certificateFile = join(this.directory, `${this.#count}.crt`)
    const keyFile = join(this.directory, `${this.#count}.key`)
    await writeFile(certificateFile, certificate)
    await writeFile(keyFile, key, { mode: 0o600 })
    return { caFile, own: { certificateFile, keyFile } }
  }
}
